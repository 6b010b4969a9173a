/*
 * How an instance claims a request, for native code in C (doc/PROTOCOLS.md, section 2). The rule
 * "no request runs twice" depends on this header. Claims and withdrawal marks are mapped: claiming
 * takes no system call. ext/common/shm/InstanceClaim.h does the same for C++,
 * ext/common/shm/Layouts.h has the layout.
 *
 * One thread uses a cell at a time.
 */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

/* In bytes. The claims: the first cell, the length of a cell, what is in a cell. */
enum { CLAIMS_HEADER = 64, CELL_LENGTH = 32, CELL_TICKET = 8, CELL_ANSWERED = 16, CELL_LAST_USED = 24 };
/* The file of withdrawal marks: where they begin, and their number. */
enum { MARKS_OFFSET = 16512, MARKS = 65536, MARKS_END = MARKS_OFFSET + 8 * MARKS };

/* The two files, mapped. They are sealed against shrinking: the mappings stay valid. Null: closed,
 * as in memory of zeros. */
typedef struct {
    char *claims;
    char *marks;
    size_t claims_size;
    size_t marks_size;
} claim_memory_t;

static inline void claim_memory_close(claim_memory_t *memory) {
    if (memory->claims != NULL) {
        munmap(memory->claims, memory->claims_size);
    }
    if (memory->marks != NULL) {
        munmap(memory->marks, memory->marks_size);
    }
    memory->claims = memory->marks = NULL;
}

/* Null, with errno. EINVAL: the file has fewer bytes than are needed. */
static inline char *claim_memory_map(int descriptor, int protection, size_t needed, size_t *size) {
    struct stat file;
    if (fstat(descriptor, &file) != 0) {
        return NULL;
    }
    *size = (size_t)file.st_size;
    if (*size < needed) {
        errno = EINVAL;
        return NULL;
    }
    void *mapped = mmap(NULL, *size, protection, MAP_SHARED, descriptor, 0);
    return mapped == MAP_FAILED ? NULL : (char *)mapped;
}

/* Maps the files, in place of those before; the descriptors stay the caller's. `needed`: bytes of
 * the claims. False, with errno as above: nothing is mapped. */
static inline bool claim_memory_open(claim_memory_t *memory, int claims, int marks, size_t needed) {
    claim_memory_close(memory);
    memory->marks = claim_memory_map(marks, PROT_READ, MARKS_END, &memory->marks_size);
    if (memory->marks != NULL) {
        memory->claims = claim_memory_map(claims, PROT_READ | PROT_WRITE, needed, &memory->claims_size);
    }
    if (memory->claims == NULL) {
        const int error = errno;
        claim_memory_close(memory);
        errno = error;
    }
    return memory->claims != NULL;
}

static inline void cell_store(char *at, uint64_t value) {
    __atomic_store_n((uint64_t *)at, value, __ATOMIC_RELEASE);
}

/* A mark with another serial belongs to a later channel of the slot. */
static inline bool request_is_withdrawn(const char *marks, uint64_t channel, uint64_t ticket) {
    const char *at = marks + MARKS_OFFSET + sizeof(uint64_t) * (channel % MARKS);
    const uint64_t mark = __atomic_load_n((const uint64_t *)at, __ATOMIC_SEQ_CST);
    return mark >> 32 != (channel >> 16 & UINT32_MAX) || (mark & UINT32_MAX) >= ticket;
}

/* Claims the request, then looks at its mark. False: the request is withdrawn. The channel is
 * written before the ticket, so that a reader never sees the ticket with no channel. */
static inline bool cell_take(char *cell, const char *marks, uint64_t channel, uint64_t ticket) {
    cell_store(cell, channel);
    cell_store(cell + CELL_TICKET, ticket);
    /* A child writes the mark, then reads the claims: one of the two must see the other. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return !request_is_withdrawn(marks, channel, ticket);
}

/* After SKIPPED, or without a claim. */
static inline void cell_clear(char *cell) {
    cell_store(cell + CELL_TICKET, 0);
    cell_store(cell, 0);
}

/* After the last message of the answer. Adds the request to those that have ended in this cell:
 * their number, and when the last one did. */
static inline void cell_complete(char *cell) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    const uint64_t answered = __atomic_load_n((const uint64_t *)(cell + CELL_ANSWERED), __ATOMIC_RELAXED);
    cell_store(cell + CELL_ANSWERED, answered + 1);
    cell_store(cell + CELL_LAST_USED, (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec);
    cell_clear(cell);
}
