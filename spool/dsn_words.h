#ifndef SPOOL_DSN_WORDS_H
#define SPOOL_DSN_WORDS_H
/* What an enhanced status code (RFC 3463) means to somebody who has never heard
 * of one. */

/* One or two sentences, static. */
const char *dsn_words(const char *code);
#endif
