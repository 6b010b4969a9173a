// A module of httpd for the tests. It answers each request with the header X-Settings: a line for
// each directive of mod_passenger that has a value at the request's place, or that had one when
// `Require settings` was checked. At `httpd -t` it prints the values for the whole server. It reads
// the other module's memory, so both must come from one build.

#include <string>
#include <variant>

#include "apache2/config/DirectiveTable.h"
#include "apache2/httpd/Httpd.h"

extern "C" {
#include <mod_auth.h>
}

extern "C" __attribute__((visibility("default"))) module AP_MODULE_DECLARE_DATA settings_module;

namespace {

using Passenger::Settings;

/** A note of the request. */
constexpr const char *CHECKED = "settings-checked";

std::string textOf(const char *text) {
    return text;
}
std::string textOf(int number) {
    return std::to_string(number);
}
std::string textOf(bool flag) {
    return flag ? "on" : "off";
}
std::string textOf(const apr_array_header_t *list) {
    std::string all;
    for (const char *text : Settings::items(list)) {
        all += (all.empty() ? "" : " ") + std::string(text);
    }
    return all;
}

std::string dump(const ap_conf_vector_t *places) {
    const module *passenger = ap_find_linked_module("mod_passenger.c");
    if (passenger == nullptr) {
        return "mod_passenger is not loaded\n";
    }
    const auto &settings = *static_cast<const Settings *>(ap_get_module_config(places, passenger));
    std::string text;
    for (const auto &directive : Passenger::Directives::TABLE) {
        std::visit(
            [&](auto member) {
                if (directive.successor == nullptr && member != nullptr && (settings.*member).given) {
                    text += std::string(directive.name) + "=" + textOf((settings.*member).value()) + "\n";
                }
            },
            directive.field.member);
    }
    return text;
}

int answer(request_rec *r) {
    if (apr_table_get(r->headers_in, "X-Settings") == nullptr) {
        return DECLINED;
    }
    const char *checked = apr_table_get(r->notes, CHECKED);
    ap_set_content_type(r, "text/plain");
    ap_rputs(checked != nullptr ? checked : dump(r->per_dir_config).c_str(), r);
    return OK;
}

authz_status check(request_rec *r, const char * /*arguments*/, const void * /*parsed*/) {
    apr_table_set(r->notes, CHECKED, dump(r->per_dir_config).c_str());
    return AUTHZ_GRANTED;
}

const authz_provider PROVIDER{&check, nullptr};

void print(apr_pool_t * /*pool*/, server_rec *server) {
    fputs(dump(server->lookup_defaults).c_str(), stdout);
}

void registerHooks(apr_pool_t *pool) {
    ap_register_auth_provider(pool, AUTHZ_PROVIDER_GROUP, "settings", AUTHZ_PROVIDER_VERSION, &PROVIDER,
                              AP_AUTH_INTERNAL_PER_CONF);
    ap_hook_handler(answer, nullptr, nullptr, APR_HOOK_REALLY_FIRST);
    ap_hook_test_config(print, nullptr, nullptr, APR_HOOK_MIDDLE);
}

}  // namespace

struct module_struct AP_MODULE_DECLARE_DATA settings_module = {
    STANDARD20_MODULE_STUFF, nullptr, nullptr, nullptr, nullptr, nullptr, registerHooks, AP_MODULE_FLAG_NONE,
};
