/* What the files of the addon share. All functions but
 * pending() run in Node's main thread. */
#pragma once

#include <node_api.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Versions of this interface; lib/passenger/node/native.js names the one that it needs. */
enum { INTERFACE = 9 };
/* Bytes of the largest message of a queue or reply channel, and of its header. */
enum { MESSAGE_LIMIT = 65600, REPLY_HEADER = 24 };
/* Descriptors of one message. */
enum { MOST_DESCRIPTORS = 16 };

/* Arguments of a call. Missing ones are undefined. */
enum { MOST_ARGUMENTS = 9 };
typedef struct {
    napi_env env;
    size_t count;
    napi_value values[MOST_ARGUMENTS];
} arguments_t;

arguments_t arguments_of(napi_env env, napi_callback_info info);
int64_t number_at(const arguments_t *arguments, size_t index);
/* The bytes of a Buffer or Uint8Array; of anything else null. */
unsigned char *bytes_at(const arguments_t *arguments, size_t index, size_t *size);
napi_value number(napi_env env, double value);
/* Throws an Error with the text of the errno value. */
napi_value fail(napi_env env, const char *what, int error);

bool add_function(napi_env env, napi_value exports, const char *name, napi_callback function);
bool add_claims(napi_env env, napi_value exports);
bool add_messages(napi_env env, napi_value exports);
bool add_poller(napi_env env, napi_value exports);
bool add_process(napi_env env, napi_value exports);
