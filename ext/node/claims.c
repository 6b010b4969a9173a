/*
 * The claims of an instance (doc/PROTOCOLS.md, section 2). Claims and withdrawal marks are mapped,
 * so that claiming a request takes no system call.
 */
#include <errno.h>
#include <stdlib.h>

#include "../claims/claim_memory.h"
#include "calls.h"
#include "passenger_native.h"

static void destroy(napi_env env, void *data, void *hint) {
    (void)env;
    (void)hint;
    claim_memory_close(data);
    free(data);
}

/* openClaims(claims, marks, cells): maps the files, of which this many first cells are used. The
 * descriptors stay the caller's. */
static napi_value open_claims(napi_env env, napi_callback_info info) {
    const arguments_t arguments = arguments_of(env, info);
    claim_memory_t *claims = calloc(1, sizeof(*claims));
    if (claims == NULL) {
        return fail(env, "claims", ENOMEM);
    }
    const size_t needed = CLAIMS_HEADER + CELL_LENGTH * (size_t)number_at(&arguments, 2);
    napi_value result = NULL;
    if (!claim_memory_open(claims, (int)number_at(&arguments, 0), (int)number_at(&arguments, 1), needed) ||
        napi_create_external(env, claims, destroy, NULL, &result) != napi_ok) {
        const int error = errno;
        claim_memory_close(claims);
        free(claims);
        return fail(env, "the memory of claims cannot be mapped", error);
    }
    return result;
}

static claim_memory_t *claims_at(const arguments_t *arguments) {
    void *data = NULL;
    napi_get_value_external(arguments->env, arguments->values[0], &data);
    return data;
}

/* Null: the claims are closed, or have no such cell. */
static char *cell_of(const arguments_t *arguments) {
    const claim_memory_t *claims = claims_at(arguments);
    const int64_t cell = number_at(arguments, 1);
    if (claims == NULL || claims->claims == NULL || cell < 0 ||
        CLAIMS_HEADER + CELL_LENGTH * ((size_t)cell + 1) > claims->claims_size) {
        return NULL;
    }
    return claims->claims + CLAIMS_HEADER + CELL_LENGTH * (size_t)cell;
}

/* claim(claims, cell, channel, ticket): the channel is a BigInt. False: the request is
 * withdrawn. */
static napi_value claim(napi_env env, napi_callback_info info) {
    const arguments_t arguments = arguments_of(env, info);
    char *cell = cell_of(&arguments);
    bool runs = false;
    if (cell != NULL) {
        uint64_t channel = 0;
        bool lossless = false;
        napi_get_value_bigint_uint64(env, arguments.values[2], &channel, &lossless);
        const uint64_t ticket = (uint64_t)number_at(&arguments, 3);
        runs = cell_take(cell, claims_at(&arguments)->marks, channel, ticket);
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
        cell_clear(cell);
    }
    return NULL;
}

/* completeClaim(claims, cell): after the last message of the answer. Counts the request. */
static napi_value complete_claim(napi_env env, napi_callback_info info) {
    const arguments_t arguments = arguments_of(env, info);
    char *cell = cell_of(&arguments);
    if (cell != NULL) {
        cell_complete(cell);
    }
    return NULL;
}

/* closeClaims(claims): no request uses them. */
static napi_value close_claims(napi_env env, napi_callback_info info) {
    const arguments_t arguments = arguments_of(env, info);
    claim_memory_t *claims = claims_at(&arguments);
    if (claims != NULL) {
        claim_memory_close(claims);
    }
    return NULL;
}

bool add_claims(napi_env env, napi_value exports) {
    return add_function(env, exports, "openClaims", open_claims) && add_function(env, exports, "claim", claim) &&
           add_function(env, exports, "clearClaim", clear_claim) &&
           add_function(env, exports, "completeClaim", complete_claim) &&
           add_function(env, exports, "closeClaims", close_claims);
}
