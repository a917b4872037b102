#ifndef COMMON_SPARE_H
#define COMMON_SPARE_H
/*
 * Memory that a process which waits for long gives back to the kernel.  What is
 * given back reads as zeros and costs a page fault when it is touched again.
 */
#include <stddef.h>

/* Gives back the whole pages within n octets at p, whose content is of no use
 * any more.  They must be private memory without a file: static without an
 * initial value, stack or heap. */
void spare_pages(void *p, size_t n);
/* Gives back what calls that have ended left of the stack. */
void spare_stack(void);
/* Gives back what the heap has grown by and does not need any more.  A heap
 * that has not grown is left alone, as looking for what is free in it writes
 * to pages that are shared with the parent.  spare_heap_from() in a fresh
 * process says from where on; without, nothing is done. */
void spare_heap_from(void);
void spare_heap(void);
/* What was freed is put together now, not by each child with its first large
 * malloc() or free(), which would write to pages that were shared until then.
 * Costs next to nothing when little was freed since the last time. */
void spare_heap_before_fork(void);
#endif
