/* Each function adds the functions of its file to the addon's exports. */
#pragma once

#include <node_api.h>
#include <stdbool.h>

bool add_claims(napi_env env, napi_value exports);
bool add_messages(napi_env env, napi_value exports);
bool add_poller(napi_env env, napi_value exports);
bool add_process(napi_env env, napi_value exports);
