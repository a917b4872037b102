#ifndef COMMON_ENCODED_WORD_H
#define COMMON_ENCODED_WORD_H
/*
 * Encoded-words (RFC 2047) for text of header fields that is not ASCII: base64,
 * charset utf-8, or unknown-8bit (RFC 1428) where it is not UTF-8.  Lines end
 * in LF and are folded before they have more than 76 octets.
 */
#include "common/buf.h"
#include "common/view.h"

/* All of v as encoded-words, behind what is in out; a blank goes before them if
 * there is none.  CR, LF and NUL in v are left out. */
void encoded_word(struct view v, struct buf *out);
/* A blank, or a fold, before n octets that out shall get. */
void encoded_gap(struct buf *out, size_t n);
/* The value of an unstructured field: the words that are not ASCII become
 * encoded-words, all others and the blanks and folds between them stay. */
void encoded_text(struct view v, struct buf *out);
#endif
