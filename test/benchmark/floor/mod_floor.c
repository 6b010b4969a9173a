/*
 * The floor: the least that httpd itself needs for the answer of apps/hello. The cost of a server
 * is compared with it.
 */
#include <httpd.h>

#include <http_config.h>
#include <http_protocol.h>

static const char answer[] = "hello world\n";

static int answerHello(request_rec *request) {
    if (request->handler == NULL || strcmp(request->handler, "floor") != 0) {
        return DECLINED;
    }
    ap_set_content_type(request, "text/plain");
    ap_set_content_length(request, sizeof(answer) - 1);
    if (!request->header_only) {
        ap_rwrite(answer, sizeof(answer) - 1, request);
    }
    return OK;
}

static void registerHooks(apr_pool_t *pool) {
    (void)pool;
    ap_hook_handler(answerHello, NULL, NULL, APR_HOOK_MIDDLE);
}

AP_DECLARE_MODULE(floor) = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, registerHooks,
};
