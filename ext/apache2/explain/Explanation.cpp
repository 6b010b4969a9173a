#include "apache2/explain/Explanation.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <exception>
#include <string_view>

#include <nlohmann/json.hpp>

#include "apache2/config/Origins.h"
#include "apache2/config/Settings.h"
#include "apache2/explain/AppForm.h"
#include "apache2/explain/Inventory.h"
#include "apache2/explain/MadeRequest.h"
#include "apache2/explain/SettingsForm.h"
#include "apache2/explain/Unserved.h"
#include "apache2/httpd/PoolText.h"
#include "base/Exceptions.h"
#include "control/ExplainWords.h"

extern "C" {
#include <http_ssl.h>
#include <unixd.h>
}

namespace Passenger::Explanation {

namespace {

using Json = nlohmann::ordered_json;

/** The id in ap_unixd_config if no directive sets it. */
constexpr unsigned NONE = static_cast<unsigned>(-1);

/** While run() runs. */
constinit StartupFileCache *theCache = nullptr;

/** Code that runs as another user could push bytes into root's terminal otherwise (TIOCSTI). */
void leaveTerminal() {
    const int terminal = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (terminal >= 0) {
        ioctl(terminal, TIOCNOTTY);
        close(terminal);
    }
}

/**
 * If root has started this process, it takes the rights of a httpd child for good. Children look
 * for files and read .htaccess, whose author may have modules run code.
 * @throws SystemException, IOException (httpd has no user)
 */
void giveUpRoot() {
    if (geteuid() != 0) {
        return;
    }
    leaveTerminal();
    const uid_t uid = ap_unixd_config.user_id;
    const gid_t gid = ap_unixd_config.group_id;
    if (uid == 0 || uid == NONE || gid == NONE) {
        throw IOException("httpd's configuration has no User and Group, or they are root's");
    }
    // httpd has one thread while it checks its configuration.
    const passwd *user = getpwuid(uid);  // NOLINT(concurrency-mt-unsafe)
    const int groups = user != nullptr ? initgroups(user->pw_name, gid) : setgroups(1, &gid);
    if (groups != 0 || setgid(gid) != 0 || setuid(uid) != 0 || setuid(0) == 0) {
        throw SystemException("the rights of httpd's user cannot be taken", errno);
    }
}

Json explain(apr_pool_t *pool, server_rec *main, const char *url, StartupFileCache &files) {
    const MadeRequest made = MadeRequest::of(pool, main, url);
    Json answer{{"url", url}, {"served", false}};
    if (made.r == nullptr) {
        answer["problem"] = made.problem;
        return answer;
    }
    const Settings &global = Settings::of(main);
    const Route *route = AppForm::routeOf(made);
    answer["virtual_host"] = AppForm::describe(made.r->server);
    answer["file_name"] = orEmpty(made.r->filename);
    answer["served"] = route != nullptr;
    if (route != nullptr) {
        answer["application"] = AppForm::describe(made.r, *route, global, files);
    } else {
        answer["reason"] = Unserved::reason(made, files);
    }
    answer["settings"] = SettingsForm::describe(Settings::of(made.r), global);
    return answer;
}

}  // namespace

void addHooks() {
    Origins::prepare();
    if (Origins::url() == nullptr) {
        return;
    }
    // Subrequests of mod_dir and of cached pages pass all phases. mod_mime reads its types only in
    // a serving httpd, and no client has to be authenticated.
    const auto accept = [](request_rec *) noexcept { return OK; };
    ap_hook_type_checker(accept, nullptr, nullptr, APR_HOOK_REALLY_FIRST);
    ap_hook_access_checker_ex(accept, nullptr, nullptr, APR_HOOK_REALLY_FIRST);
    // mod_ssl does not know the connection. Rules and <If> ask for %{HTTPS}; redirects have URLs.
    ap_hook_ssl_conn_is_ssl(
        [](conn_rec *connection) noexcept { return MadeRequest::isOverTls(connection) ? OK : DECLINED; }, nullptr,
        nullptr, APR_HOOK_REALLY_FIRST);
    ap_hook_http_scheme(
        [](const request_rec *r) noexcept { return MadeRequest::isOverTls(r->connection) ? "https" : "http"; }, nullptr,
        nullptr, APR_HOOK_REALLY_FIRST);
    ap_hook_default_port(
        [](const request_rec *r) noexcept -> apr_port_t {
            return MadeRequest::isOverTls(r->connection) ? DEFAULT_HTTPS_PORT : DEFAULT_HTTP_PORT;
        },
        nullptr, nullptr, APR_HOOK_REALLY_FIRST);
}

StartupFileCache *startupFiles() noexcept {
    return theCache;
}

void run(apr_pool_t *pool, server_rec *main) {
    if (Origins::url() == nullptr) {
        return;
    }
    StartupFileCache cache;
    theCache = &cache;
    Json answer;
    try {
        giveUpRoot();
        answer = std::string_view(Origins::url()) == ExplainWords::ALL ? Inventory::describe(pool, main, cache)
                                                                       : explain(pool, main, Origins::url(), cache);
    } catch (const std::exception &problem) {
        answer = {{"url", Origins::url()}, {"served", false}, {"problem", problem.what()}};
    }
    theCache = nullptr;
    // What .htaccess runs may have left a line without its end.
    std::printf("\n%s%s\n", ExplainWords::LINE, answer.dump(-1, ' ', false, Json::error_handler_t::replace).c_str());
    std::fflush(stdout);
}

}  // namespace Passenger::Explanation
