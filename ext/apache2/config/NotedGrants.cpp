#include "apache2/config/NotedGrants.h"

#include <string_view>
#include <type_traits>
#include <variant>

namespace Passenger::Directives {

namespace {

const char *valueOf(apr_pool_t *pool, const Field &field, const Settings &settings) {
    return std::visit(
        [&](auto member) -> const char * {
            using Member = std::remove_cvref_t<decltype(settings.*member)>;
            if constexpr (std::is_same_v<Member, Settings::Text>) {
                return settings.*member;
            } else if constexpr (std::is_same_v<Member, Settings::List>) {
                return Settings::items(settings.*member).back();
            } else if constexpr (std::is_same_v<Member, Settings::Number>) {
                return apr_itoa(pool, settings.*member);
            } else {
                return settings.*member ? "On" : "Off";
            }
        },
        field.member);
}

/** Whether values of this key are in the names of applications. */
bool isPartOfName(std::string_view key) {
    return key == "user" || key == "group" || key == "environment";
}

}  // namespace

void noteGrant(const cmd_parms *cmd, const Directive &directive, const Settings &settings, Settings &global) {
    if (ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_RUN_MPM) {
        return;
    }
    if (global.grants == nullptr) {
        global.grants = apr_array_make(cmd->pool, 1, sizeof(Settings::Grant));
    }
    const Field &field = directive.field;
    const auto push = [&](const char *key, const char *value) {
        *static_cast<Settings::Grant *>(apr_array_push(global.grants)) = {cmd->server, &settings, key, value};
    };
    push(field.grant, valueOf(cmd->pool, field, settings));
    if (cmd->path != nullptr) {
        return;
    }
    if (field.isLimit) {
        push("limited", field.grant);
    } else if (isPartOfName(field.grant) || std::holds_alternative<Settings::Number Settings::*>(field.member)) {
        push("fixed", field.grant);
    }
}

}  // namespace Passenger::Directives
