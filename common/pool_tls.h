#ifndef COMMON_POOL_TLS_H
#define COMMON_POOL_TLS_H
/* The TLS server of the workers, made from the files that the master gave. */
#include "common/conn.h"
#include "common/role.h"

/* Closes the files.  NULL: no certificates are configured.  What is wrong ends
 * the role, but for an OCSP response, without which certificates do, too. */
struct tls_server *pool_tls(struct role *);
#endif
