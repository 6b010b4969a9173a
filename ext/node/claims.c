/*
 * The claims of an instance (doc/PROTOCOLS.md, section 2). Claims and withdrawal marks are mapped,
 * so that claiming a request takes no system call.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#include "passenger_native.h"

enum {
    HEADER_LENGTH = 64,
    CELL_LENGTH = 32,
    ANSWERED_OFFSET = 16,
    LAST_USED_OFFSET = 24,
    MARKS_OFFSET = 16512,
    CHANNELS = 65536
};

/* Of one SERVE. The files are sealed against shrinking: the mappings stay valid. Null: closed. */
typedef struct {
    char *claims;
    char *marks;
    size_t claims_size;
    size_t marks_size;
} claims_t;

static void unmap(claims_t *claims) {
    if (claims->claims != NULL) {
        munmap(claims->claims, claims->claims_size);
    }
    if (claims->marks != NULL) {
        munmap(claims->marks, claims->marks_size);
    }
    claims->claims = claims->marks = NULL;
}

static void destroy(napi_env env, void *data, void *hint) {
    (void)env;
    (void)hint;
    unmap(data);
    free(data);
}

/* Null, with errno: the file is too short, or cannot be mapped. */
static char *map(int descriptor, int protection, size_t needed, size_t *size) {
    struct stat file;
    if (fstat(descriptor, &file) != 0) {
        return NULL;
    }
    *size = (size_t)file.st_size;
    if (*size < needed) {
        errno = EINVAL;
        return NULL;
    }
    void *memory = mmap(NULL, *size, protection, MAP_SHARED, descriptor, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

/* openClaims(claims, marks, cells): maps the files, of which this many first cells are used. The
 * descriptors stay the caller's. */
static napi_value open_claims(napi_env env, napi_callback_info info) {
    const arguments_t arguments = arguments_of(env, info);
    claims_t *claims = calloc(1, sizeof(*claims));
    if (claims == NULL) {
        return fail(env, "claims", ENOMEM);
    }
    const size_t needed = HEADER_LENGTH + CELL_LENGTH * (size_t)number_at(&arguments, 2);
    claims->marks =
        map((int)number_at(&arguments, 1), PROT_READ, MARKS_OFFSET + sizeof(uint64_t) * CHANNELS, &claims->marks_size);
    if (claims->marks != NULL) {
        claims->claims = map((int)number_at(&arguments, 0), PROT_READ | PROT_WRITE, needed, &claims->claims_size);
    }
    napi_value result = NULL;
    if (claims->claims == NULL || napi_create_external(env, claims, destroy, NULL, &result) != napi_ok) {
        const int error = errno;
        unmap(claims);
        free(claims);
        return fail(env, "the memory of claims cannot be mapped", error);
    }
    return result;
}

static claims_t *claims_at(const arguments_t *arguments) {
    void *data = NULL;
    napi_get_value_external(arguments->env, arguments->values[0], &data);
    return data;
}

/* Null: the claims are closed, or have no such cell. */
static char *cell_of(const arguments_t *arguments) {
    const claims_t *claims = claims_at(arguments);
    const int64_t cell = number_at(arguments, 1);
    if (claims == NULL || claims->claims == NULL || cell < 0 ||
        HEADER_LENGTH + CELL_LENGTH * ((size_t)cell + 1) > claims->claims_size) {
        return NULL;
    }
    return claims->claims + HEADER_LENGTH + CELL_LENGTH * (size_t)cell;
}

static void store(char *at, uint64_t value) {
    atomic_store_explicit((_Atomic uint64_t *)at, value, memory_order_release);
}

/* Adds the request to those that have ended in this cell: their number, and when the last one did.
 * Only this process writes the two words. */
static void count(char *cell) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    store(cell + ANSWERED_OFFSET, atomic_load((const _Atomic uint64_t *)(cell + ANSWERED_OFFSET)) + 1);
    store(cell + LAST_USED_OFFSET, (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec);
}

static void clear(char *cell) {
    store(cell + sizeof(uint64_t), 0);
    store(cell, 0);
}

/* A mark with another serial belongs to a later channel of the slot. */
static bool withdrawn(const char *marks, uint64_t channel, uint64_t ticket) {
    const char *at = marks + MARKS_OFFSET + sizeof(uint64_t) * (channel % CHANNELS);
    const uint64_t mark = atomic_load((const _Atomic uint64_t *)at);
    return mark >> 32 != (channel >> 16 & UINT32_MAX) || (mark & UINT32_MAX) >= ticket;
}

/*
 * claim(claims, cell, channel, ticket): claims the request, then looks at its mark. The channel is
 * a BigInt. False: the request is withdrawn. The channel is written before the ticket, so that a
 * reader never sees the ticket with no channel.
 */
static napi_value claim(napi_env env, napi_callback_info info) {
    const arguments_t arguments = arguments_of(env, info);
    char *cell = cell_of(&arguments);
    bool runs = false;
    if (cell != NULL) {
        uint64_t channel = 0;
        bool lossless = false;
        napi_get_value_bigint_uint64(env, arguments.values[2], &channel, &lossless);
        const uint64_t ticket = (uint64_t)number_at(&arguments, 3);
        store(cell, channel);
        store(cell + sizeof(uint64_t), ticket);
        /* A child writes the mark, then reads the claims: one of the two must see the other. */
        atomic_thread_fence(memory_order_seq_cst);
        runs = !withdrawn(claims_at(&arguments)->marks, channel, ticket);
    }
    napi_value result = NULL;
    napi_get_boolean(env, runs, &result);
    return result;
}

/* clearClaim(claims, cell): after SKIPPED, or without a claim. */
static napi_value clear_claim(napi_env env, napi_callback_info info) {
    const arguments_t arguments = arguments_of(env, info);
    char *cell = cell_of(&arguments);
    if (cell != NULL) {
        clear(cell);
    }
    return NULL;
}

/* completeClaim(claims, cell): after the last message of the answer. Counts the request. */
static napi_value complete_claim(napi_env env, napi_callback_info info) {
    const arguments_t arguments = arguments_of(env, info);
    char *cell = cell_of(&arguments);
    if (cell != NULL) {
        count(cell);
        clear(cell);
    }
    return NULL;
}

/* closeClaims(claims): no request uses them. */
static napi_value close_claims(napi_env env, napi_callback_info info) {
    const arguments_t arguments = arguments_of(env, info);
    claims_t *claims = claims_at(&arguments);
    if (claims != NULL) {
        unmap(claims);
    }
    return NULL;
}

bool add_claims(napi_env env, napi_value exports) {
    return add_function(env, exports, "openClaims", open_claims) && add_function(env, exports, "claim", claim) &&
           add_function(env, exports, "clearClaim", clear_claim) &&
           add_function(env, exports, "completeClaim", complete_claim) &&
           add_function(env, exports, "closeClaims", close_claims);
}
