// The module's entry: the symbol that httpd looks up, and the hooks.
//
// httpd's parent unloads this code on each reload and loads it again, perhaps from a new file. So
// nothing here may outlive pconf: no thread_local, no static with a destructor, and no thread in
// the parent. A child has the threads of ChannelTrimmer and DescriptorCloser. AgentKeeper.cpp keeps
// the agent's handle over a reload, SpoolMemory.cpp the counts of spool files.

#include <cstring>

#include "apache2/Child.h"
#include "apache2/RequestHandler.h"
#include "apache2/agent/AgentKeeper.h"
#include "apache2/agent/BufferFolder.h"
#include "apache2/agent/ConfigurationCheck.h"
#include "apache2/config/Directives.h"
#include "apache2/config/Settings.h"
#include "apache2/explain/Explanation.h"
#include "apache2/httpd/Guard.h"
#include "apache2/httpd/HandlerNames.h"
#include "apache2/httpd/Httpd.h"
#include "apache2/httpd/Retained.h"
#include "apache2/request/DirectoryWalk.h"
#include "apache2/request/ForgedHeaders.h"
#include "apache2/request/MimeChoices.h"
#include "apache2/request/Route.h"
#include "apache2/request/SpoolMemory.h"
#include "apache2/request/UnknownApplication.h"
#include "apache2/request/VerifiedUser.h"
#include "apache2/response/BreakMark.h"
#include "apache2/response/ResponseTrailers.h"
#include "apache2/response/Turbocache.h"
#include "apache2/status/HealthHandler.h"
#include "apache2/status/StatusHandler.h"

extern "C" {
#include <ap_mpm.h>
#include <mpm_common.h>
}

namespace {

using namespace Passenger;

int checkConfiguration(apr_pool_t * /*pconf*/, apr_pool_t * /*plog*/, apr_pool_t *ptemp, server_rec *server) {
    return guarded(server, "check_config", [&] {
        // `httpd -t` has no other place for the notices. A start and a reload log them after the
        // log is opened.
        if (ap_state_query(AP_SQ_RUN_MODE) == AP_SQ_RM_CONFIG_TEST) {
            Directives::logNotices(server);
        }
        return ConfigurationCheck::run(ptemp, server);
    });
}

int comeBack(apr_pool_t * /*pconf*/, apr_pool_t * /*plog*/, apr_pool_t * /*ptemp*/) noexcept {
    Directives::forgetNotices();
    AgentKeeper::comeBack();
    SpoolMemory::comeBack();
    return OK;
}

int leaveUnsuitableAgent(apr_pool_t * /*pconf*/, apr_pool_t * /*plog*/, apr_pool_t * /*ptemp*/, server_rec *server) {
    return guarded(server, "post_config", [&] { return AgentKeeper::leaveUnsuitable(server), OK; });
}

int startAgent(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t * /*ptemp*/, server_rec *server) {
    return guarded(server, "post_config", [&] {
        if (Settings::of(server).turbocaching) {
            Turbocache::prepare(pconf);
        }
        SpoolMemory::prepare(pconf, plog, server);
        UnknownApplication::prepare(pconf, server);
        if (Retained::isForService()) {
            BufferFolder::logProblem(server);
        }
        return AgentKeeper::start(pconf, plog, server);
    });
}

int checkAgent(apr_pool_t * /*pool*/, server_rec *server) {
    return guarded(server, "monitor", [&] { return AgentKeeper::check(server), OK; });
}

void beginChild(apr_pool_t * /*pchild*/, server_rec *server) {
    guarded(server, "child_init", [&] { return Child::begin(server), OK; });
}

#if AP_MODULE_MAGIC_AT_LEAST(20120211, 110)
void endChild(apr_pool_t * /*pchild*/, int gracefully) {
    // prefork calls this hook in a signal handler, where no lock may be taken. A process without
    // threads has no other request that waits.
    int threads = AP_MPMQ_NOT_SUPPORTED;
    if (ap_mpm_query(AP_MPMQ_IS_THREADED, &threads) == APR_SUCCESS && threads != AP_MPMQ_NOT_SUPPORTED) {
        guarded(ap_server_conf, "child_stopping", [&] { return Child::stopping(gracefully != 0), OK; });
    }
}
#endif

int noteForgedHeaders(request_rec *r) {
    return guarded(r, "post_read_request", [&] { return ForgedHeaders::note(r), DECLINED; });
}

int noteBeforeMime(request_rec *r) {
    return guarded(r, "type_checker", [&] { return MimeChoices::noteEarlier(r), DECLINED; });
}

int noteMimeChoices(request_rec *r) {
    return guarded(r, "fixups", [&] { return MimeChoices::note(r), DECLINED; });
}

int noteUser(request_rec *r) {
    return guarded(r, "fixups", [&] { return VerifiedUser::note(r), DECLINED; });
}

int removeForgedHeaders(request_rec *r) {
    return guarded(r, "fixups", [&] { return ForgedHeaders::remove(r), DECLINED; });
}

void explain(apr_pool_t *pconf, server_rec *server) {
    guarded(server, "test_config", [&] { return Explanation::run(pconf, server), OK; });
}

/** Null: this process serves no request and explains none. */
StartupFileCache *startupFiles() {
    Child *child = Child::current();
    return child != nullptr ? &child->startupFiles() : Explanation::startupFiles();
}

int decideAhead(request_rec *r) {
    StartupFileCache *files = startupFiles();
    return files == nullptr ? DECLINED : guarded(r, "map_to_storage", [&] { return Route::decideAhead(r, *files); });
}

int walkDirectories(request_rec *r) {
    return guarded(r, "map_to_storage", [&] { return DirectoryWalk::run(r); });
}

int decide(request_rec *r) {
    StartupFileCache *files = startupFiles();
    return files == nullptr ? DECLINED : guarded(r, "fixups", [&] { return Route::decide(r, *files); });
}

int decideUnknown(request_rec *r) {
    StartupFileCache *files = startupFiles();
    return files == nullptr ? DECLINED : guarded(r, "fixups", [&] { return Route::decideUnknown(r, *files); });
}

bool isFor(const request_rec *r, const char *handler) {
    return r->handler != nullptr && std::strcmp(r->handler, handler) == 0;
}

int answer(request_rec *r) {
    const Route *route = Route::of(r);
    if (route == nullptr || !isFor(r, Route::HANDLER)) {
        return DECLINED;
    }
    return guarded(r, "handler", [&] { return RequestHandler(r, *route, *Child::current()).run(); });
}

int tellStatus(request_rec *r) {
    Child *child = Child::current();
    return isFor(r, STATUS_HANDLER) && child != nullptr
               ? guarded(r, "handler", [&] { return StatusHandler::run(r, child->limits().spool); })
               : DECLINED;
}

int tellHealth(request_rec *r) {
    Child *child = Child::current();
    return isFor(r, HEALTH_HANDLER) && child != nullptr
               ? guarded(r, "handler", [&] { return HealthHandler::run(r, child->startupFiles()); })
               : DECLINED;
}

void registerHooks(apr_pool_t * /*pool*/) {
    // mod_rewrite rewrites the URL first. mod_dir must not redirect to a folder or look for its
    // index.
    static const char *const before[] = {"mod_rewrite.c", "mod_alias.c", "mod_env.c", nullptr};
    static const char *const dir[] = {"mod_dir.c", nullptr};
    static const char *const lua[] = {"mod_lua.c", nullptr};
    static const char *const mime[] = {"mod_mime.c", nullptr};

    ap_hook_pre_config(comeBack, nullptr, nullptr, APR_HOOK_MIDDLE);
    ap_hook_check_config(checkConfiguration, nullptr, nullptr, APR_HOOK_MIDDLE);
    Explanation::addHooks();
    ap_hook_test_config(explain, nullptr, nullptr, APR_HOOK_MIDDLE);
    ap_hook_post_config(leaveUnsuitableAgent, nullptr, nullptr, APR_HOOK_REALLY_FIRST);
    ap_hook_post_config(startAgent, nullptr, nullptr, APR_HOOK_LAST);
    ap_hook_monitor(checkAgent, nullptr, nullptr, APR_HOOK_MIDDLE);
    ap_hook_child_init(beginChild, nullptr, nullptr, APR_HOOK_LAST);
#if AP_MODULE_MAGIC_AT_LEAST(20120211, 110)
    ap_hook_child_stopping(endChild, nullptr, nullptr, APR_HOOK_MIDDLE);
#endif
    ap_hook_post_read_request(noteForgedHeaders, nullptr, nullptr, APR_HOOK_REALLY_FIRST);
    ap_hook_dirwalk_stat(Route::look, nullptr, nullptr, APR_HOOK_LAST);
    ap_hook_map_to_storage(decideAhead, nullptr, nullptr, APR_HOOK_MIDDLE);
    ap_hook_map_to_storage(walkDirectories, nullptr, nullptr, APR_HOOK_LAST);
    ap_hook_type_checker(noteBeforeMime, lua, mime, APR_HOOK_MIDDLE);
    ap_hook_fixups(noteMimeChoices, nullptr, nullptr, APR_HOOK_REALLY_FIRST);
    ap_hook_fixups(noteUser, nullptr, nullptr, APR_HOOK_REALLY_FIRST);
    // After mod_rewrite, which may turn the request into a proxy request, and before mod_headers.
    ap_hook_fixups(removeForgedHeaders, nullptr, nullptr, APR_HOOK_MIDDLE);
    ap_hook_fixups(decide, before, dir, APR_HOOK_LAST);
    ap_hook_fixups(decideUnknown, dir, nullptr, APR_HOOK_REALLY_LAST);
    ap_hook_handler(answer, nullptr, nullptr, APR_HOOK_FIRST);
    ap_hook_handler(tellStatus, nullptr, nullptr, APR_HOOK_MIDDLE);
    ap_hook_handler(tellHealth, nullptr, nullptr, APR_HOOK_MIDDLE);
    BreakMark::addFilter();
    ResponseTrailers::addFilter();
}

}  // namespace

extern "C" __attribute__((visibility("default"))) module AP_MODULE_DECLARE_DATA passenger_module;

// Not "module": at the beginning of a line, C++20 reads that word as a keyword.
struct module_struct AP_MODULE_DECLARE_DATA passenger_module = {
    // STANDARD20_MODULE_STUFF, but for the name: configurations have <IfModule mod_passenger.c>.
    MODULE_MAGIC_NUMBER_MAJOR,
    MODULE_MAGIC_NUMBER_MINOR,
    -1,
    "mod_passenger.c",
    nullptr,
    nullptr,
    MODULE_MAGIC_COOKIE,
    nullptr,
    Passenger::Settings::create,
    Passenger::Settings::merge,
    // A server has no configuration of its own: its settings are those of its outermost place.
    nullptr,
    nullptr,
    Passenger::Directives::commands(),
    registerHooks,
    AP_MODULE_FLAG_NONE,
};
