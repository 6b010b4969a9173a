#include "apache2/config/Settings.h"

#include <new>
#include <type_traits>

#include "apache2/config/Directives.h"
#include "apache2/config/Origins.h"

namespace Passenger {

// The pool frees the memory and calls no destructor.
static_assert(std::is_trivially_destructible_v<Settings>);

const Settings &Settings::of(const request_rec *r) noexcept {
    return *static_cast<const Settings *>(ap_get_module_config(r->per_dir_config, &passenger_module));
}

const Settings &Settings::of(const server_rec *server) noexcept {
    return *static_cast<const Settings *>(ap_get_module_config(server->lookup_defaults, &passenger_module));
}

const Settings *Settings::in(const ap_conf_vector_t *section) noexcept {
    return static_cast<const Settings *>(ap_get_module_config(section, &passenger_module));
}

std::string Settings::lines(const apr_array_header_t *list) {
    std::string result;
    for (const char *text : items(list)) {
        result += (result.empty() ? "" : "\n");
        result += text;
    }
    return result;
}

void *Settings::create(apr_pool_t *pool, char *place) noexcept {
    auto *created = new (apr_palloc(pool, sizeof(Settings))) Settings;
    created->isServersOwn = place == nullptr;
    return created;
}

void *Settings::merge(apr_pool_t *pool, void *outer, void *inner) noexcept {
    auto *own = static_cast<Settings *>(inner);
    Settings merged(*static_cast<const Settings *>(outer));
    merged.isServersOwn = false;
    Directives::merge(pool, merged, *own);
    merged.origins = Origins::merge(pool, merged.origins, own->origins);
    // A reload writes each page of the configuration's memory anew: of many virtual hosts, that is
    // most of its time. While httpd serves, only sections without a place of their own
    // (<AuthzProviderAlias>) look like a server's settings, and each request merges them.
    const bool inPlace = own->isServersOwn && ap_state_query(AP_SQ_MAIN_STATE) != AP_SQ_MS_RUN_MPM;
    return new (inPlace ? own : apr_palloc(pool, sizeof(Settings))) Settings(merged);
}

}  // namespace Passenger
