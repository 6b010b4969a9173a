/* Descriptors and programs of the process. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include "calls.h"
#include "passenger_native.h"

/* block(descriptor): reads and writes of the open file wait from now on. */
static napi_value block(napi_env env, napi_callback_info info) {
    const arguments_t arguments = arguments_of(env, info);
    const int descriptor = (int)number_at(&arguments, 0);
    const int flags = fcntl(descriptor, F_GETFL);
    return number(env, flags < 0 || fcntl(descriptor, F_SETFL, flags & ~O_NONBLOCK) != 0 ? -errno : 0);
}

/* closeOnExec(descriptor, whether) */
static napi_value close_on_exec(napi_env env, napi_callback_info info) {
    const arguments_t arguments = arguments_of(env, info);
    bool closes = false;
    napi_get_value_bool(env, arguments.values[1], &closes);
    return number(env, fcntl((int)number_at(&arguments, 0), F_SETFD, closes ? FD_CLOEXEC : 0) != 0 ? -errno : 0);
}

/* close(descriptor) */
static napi_value close_descriptor(napi_env env, napi_callback_info info) {
    const arguments_t arguments = arguments_of(env, info);
    return number(env, close((int)number_at(&arguments, 0)) != 0 ? -errno : 0);
}

/* lock(descriptor): shares the lock of the open file until that is closed. */
static napi_value lock(napi_env env, napi_callback_info info) {
    const arguments_t arguments = arguments_of(env, info);
    return number(env, flock((int)number_at(&arguments, 0), LOCK_SH | LOCK_NB) != 0 ? -errno : 0);
}

/* streamPair(): the two ends. */
static napi_value stream_pair(napi_env env, napi_callback_info info) {
    int ends[2];
    (void)info;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        return fail(env, "socketpair", errno);
    }
    napi_value result = NULL;
    napi_create_array_with_length(env, 2, &result);
    for (uint32_t i = 0; i < 2; i++) {
        napi_set_element(env, result, i, number(env, ends[i]));
    }
    return result;
}

/* Null: out of memory. The texts are never freed. */
static char **texts_at(const arguments_t *arguments, size_t index) {
    uint32_t count = 0;
    napi_get_array_length(arguments->env, arguments->values[index], &count);
    char **result = calloc((size_t)count + 1, sizeof(char *));
    for (uint32_t i = 0; result != NULL && i < count; i++) {
        napi_value one;
        size_t size = 0;
        napi_get_element(arguments->env, arguments->values[index], i, &one);
        napi_get_value_string_utf8(arguments->env, one, NULL, 0, &size);
        result[i] = malloc(size + 1);
        if (result[i] == NULL) {
            return NULL;
        }
        napi_get_value_string_utf8(arguments->env, one, result[i], size + 1, &size);
    }
    return result;
}

/* exec(arguments, environment): becomes another program. Returns only if that fails. */
static napi_value become(napi_env env, napi_callback_info info) {
    const arguments_t arguments = arguments_of(env, info);
    char **command = texts_at(&arguments, 0);
    char **environment = texts_at(&arguments, 1);
    if (command == NULL || environment == NULL) {
        return fail(env, "exec", ENOMEM);
    }
    execve(command[0], command, environment);
    return fail(env, command[0], errno);
}

bool add_process(napi_env env, napi_value exports) {
    return add_function(env, exports, "block", block) && add_function(env, exports, "closeOnExec", close_on_exec) &&
           add_function(env, exports, "close", close_descriptor) && add_function(env, exports, "lock", lock) &&
           add_function(env, exports, "streamPair", stream_pair) && add_function(env, exports, "exec", become);
}
