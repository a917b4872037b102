#ifndef SMTPD_TRACE_H
#define SMTPD_TRACE_H
/*
 * Queue ids and the trace header (RFC 5321 4.4).  Return-Path, X-Original-To
 * and Delivered-To come later, from whoever writes the mailbox.
 */
#include <stddef.h>
#include <stdint.h>

#include "smtpd/content.h"
#include "smtpd/session.h"

enum {
	TRACE_MAX = 3072,     /* octets of a Received field */
	TRACE_HOPS_MAX = 100 /* Received fields; more is a loop (6.3) */
};

/* A name for a message that no other worker of this host gives or gave: out has
 * QUEUE_ID_MAX octets. */
void trace_id(uint32_t slot, char *out);
/* The Received field for the transaction at hand, as a string; returns its
 * octets, 0 when it does not fit. */
size_t trace_received(
    const struct session *, int64_t now, char *out, size_t size);
/* The Date and Message-ID lines that a submitted message gets if it lacks
 * them. */
void trace_missing(const struct session *, int64_t now, struct content *);
#endif
