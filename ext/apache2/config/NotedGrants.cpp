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

/** Whether a value outside of sections takes the place of the default. It does not for the requests
 *  that an instance gets at once: its default depends on the kind of the application. */
bool replacesDefault(const Field &field) {
    const std::string_view key = field.grant;
    const bool isText = std::holds_alternative<Settings::Text Settings::*>(field.member);
    const bool isList = std::holds_alternative<Settings::List Settings::*>(field.member);
    const bool isNamePart = key == "user" || key == "group" || key == "environment";
    return isNamePart || key == "spawn_method" || key == "restart_dir" || (!isText && !isList && key != "thread_count");
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
    const char *mark = nullptr;
    if (cmd->path == nullptr && (field.isLimit || replacesDefault(field))) {
        mark = field.isLimit ? "limited" : "fixed";
    }
    *static_cast<Settings::Grant *>(apr_array_push(global.grants)) = {cmd->server, &settings, field.grant,
                                                                      valueOf(cmd->pool, field, settings), mark};
}

}  // namespace Passenger::Directives
