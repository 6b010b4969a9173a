/* The addon: what an instance of Node needs of the kernel and JavaScript has not. */
#include "passenger_native.h"

#include "calls.h"

/* Versions of this interface; lib/passenger/node/native.js names the one that it needs. */
enum { INTERFACE = 9 };

NAPI_MODULE_INIT() {
    napi_value version;
    if (napi_create_int32(env, INTERFACE, &version) != napi_ok ||
        napi_set_named_property(env, exports, "INTERFACE", version) != napi_ok || !add_claims(env, exports) ||
        !add_messages(env, exports) || !add_poller(env, exports) || !add_process(env, exports)) {
        return NULL;
    }
    return exports;
}
