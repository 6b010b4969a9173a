#include "calls.h"

#include <stdio.h>
#include <string.h>

arguments_t arguments_of(napi_env env, napi_callback_info info) {
    arguments_t arguments = {.env = env, .count = MOST_ARGUMENTS};
    napi_get_cb_info(env, info, &arguments.count, arguments.values, NULL, NULL);
    return arguments;
}

int64_t number_at(const arguments_t *arguments, size_t index) {
    int64_t value = 0;
    napi_get_value_int64(arguments->env, arguments->values[index], &value);
    return value;
}

unsigned char *bytes_at(const arguments_t *arguments, size_t index, size_t *size) {
    void *data = NULL;
    bool is_buffer = false;
    *size = 0;
    if (napi_is_buffer(arguments->env, arguments->values[index], &is_buffer) != napi_ok || !is_buffer ||
        napi_get_buffer_info(arguments->env, arguments->values[index], &data, size) != napi_ok) {
        return NULL;
    }
    return data;
}

napi_value number(napi_env env, double value) {
    napi_value result = NULL;
    napi_create_double(env, value, &result);
    return result;
}

napi_value fail(napi_env env, const char *what, int error) {
    char text[256];
    snprintf(text, sizeof(text), "%s: %s", what, strerror(error));
    napi_throw_error(env, NULL, text);
    return NULL;
}

bool add_function(napi_env env, napi_value exports, const char *name, napi_callback function) {
    napi_value value;
    return napi_create_function(env, name, NAPI_AUTO_LENGTH, function, NULL, &value) == napi_ok &&
           napi_set_named_property(env, exports, name, value) == napi_ok;
}
