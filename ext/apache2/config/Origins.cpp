#include "apache2/config/Origins.h"

#include <new>
#include <span>
#include <string_view>

#include "control/ExplainWords.h"

namespace Passenger::Origins {

namespace {

constexpr std::string_view DEFINE = ExplainWords::DEFINE;

constinit const char *theUrl = nullptr;

}  // namespace

void prepare() noexcept {
    theUrl = nullptr;
    const apr_array_header_t *defines = ap_server_config_defines;
    for (const char *define :
         std::span(reinterpret_cast<const char *const *>(defines->elts), static_cast<std::size_t>(defines->nelts))) {
        if (std::string_view(define).starts_with(DEFINE)) {
            theUrl = define + DEFINE.size();
        }
    }
}

const char *url() noexcept {
    return theUrl;
}

void note(const cmd_parms *cmd, const Directives::Directive &directive, Settings &settings) {
    if (theUrl != nullptr && cmd->directive != nullptr) {
        settings.origins = new (apr_palloc(cmd->pool, sizeof(Origin))) Origin{
            &directive, apr_pstrdup(cmd->pool, cmd->directive->filename), cmd->directive->line_num, settings.origins};
    }
}

const Origin *merge(apr_pool_t *pool, const Origin *outer, const Origin *inner) noexcept {
    if (inner == nullptr) {
        return outer;
    }
    auto *copy = new (apr_palloc(pool, sizeof(Origin))) Origin(*inner);
    copy->earlier = merge(pool, outer, inner->earlier);
    return copy;
}

}  // namespace Passenger::Origins
