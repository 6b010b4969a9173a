#include "apache2/request/UnknownApplication.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <new>
#include <string>
#include <string_view>

#include "base/NodePackage.h"

namespace Passenger {

namespace {

struct Sign {
    const char *file;
    const char *remedy;
};

/** The remedy for files that are startup files by default. */
constexpr const char *OTHERS_WANTED =
    "PassengerStartupFile with a file that exists, or PassengerAppType of that kind: what is set excludes it";

constexpr const char *PYTHON_WANTED =
    "PassengerStartupFile with this file, PassengerAppType wsgi or asgi, and PassengerAppCallable where the "
    "application "
    "is not called application";

constexpr const char *PACKAGE_WANTED =
    "correct package.json ('node -p -r ./package.json' shows the place; httpd's user must be able to read it), or "
    "PassengerStartupFile with the application's first file";

// The first that is there counts.
constexpr std::array<Sign, 12> SIGNS{
    {{"config.ru", OTHERS_WANTED},
     {"passenger_wsgi.py", OTHERS_WANTED},
     {"passenger_asgi.py", OTHERS_WANTED},
     {"app.js", OTHERS_WANTED},
     {"asgi.py", OTHERS_WANTED},
     {"manage.py",
      "PassengerAppRoot with this folder, PassengerStartupFile with the path of the project's wsgi.py, or a "
      "passenger_wsgi.py that imports its application"},
     {"Gemfile",
      "a config.ru, or PassengerAppStartCommand, such as 'bundle exec ruby server.rb -o 127.0.0.1 -p $PORT'"},
     {"index.js", "PassengerStartupFile index.js, or PassengerAppStartCommand, such as 'npm start'"},
     {"package.json",
      "scripts.start or main in package.json, server.js, PassengerStartupFile, or PassengerAppStartCommand, such as "
      "'npm start'"},
     {"server.js", "PassengerStartupFile server.js, or a package.json beside it"},
     {"main.py", PYTHON_WANTED},
     {"app.py", PYTHON_WANTED}}};

/** Hashes of the folders that the log has named; 0 is a free place. All children share it. */
using Named = std::array<std::atomic<std::uint64_t>, 256>;
constinit Named *theNamed = nullptr;
pid_t theOwner = 0;

/** @return whether this is the first call with this folder. Says no once there is no place. */
bool isFirst(std::string_view folder) noexcept {
    const std::uint64_t mark = std::hash<std::string_view>()(folder) | 1;
    for (std::size_t i = 0; theNamed != nullptr && i < theNamed->size(); i++) {
        std::uint64_t there = 0;
        if ((*theNamed)[(mark + i) % theNamed->size()].compare_exchange_strong(there, mark)) {
            return true;
        }
        if (there == mark) {
            return false;
        }
    }
    return false;
}

/** Why package.json, which would tell the startup file, cannot be read; empty: it would not, or it
 *  can be. */
std::string packageProblem(const AppFinder &app, const Settings &settings, StartupFileCache &files,
                           StartupFileCache::Clock::time_point now) {
    const bool tells = settings.startupFile == nullptr &&
                       (settings.appType == nullptr || std::string_view(settings.appType) == "node");
    return tells ? files.packageProblem(app.appRoot, now) : "";
}

}  // namespace

void UnknownApplication::prepare(apr_pool_t *pconf, server_rec *server) {
    theNamed = nullptr;
    void *memory = ::mmap(nullptr, sizeof(Named), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, errno, server, "event=app.unknown_not_logged reason=\"mmap failed\"");
        return;
    }
    theNamed = new (memory) Named{};
    theOwner = getpid();
    // Also runs in a child that ends, whose threads may still use the memory.
    apr_pool_cleanup_register(
        pconf, memory,
        [](void *mapped) { return getpid() != theOwner || ::munmap(mapped, sizeof(Named)) == 0 ? APR_SUCCESS : errno; },
        apr_pool_cleanup_null);
}

const UnknownApplication *UnknownApplication::at(request_rec *r, const AppFinder &app, const Settings &settings,
                                                 StartupFileCache &files) {
    if (app.appRoot == nullptr || app.error != ENOENT) {
        return nullptr;
    }
    const auto now = StartupFileCache::Clock::now();
    const auto made = [&](const char *sign, const char *problem, const char *remedy) -> const UnknownApplication * {
        return new (apr_palloc(r->pool, sizeof(UnknownApplication)))
            UnknownApplication{app.appRoot, sign, AppFinder::candidates(r->pool, settings), problem, remedy};
    };
    const auto *sign = std::find_if(std::begin(SIGNS), std::end(SIGNS), [&](const Sign &one) {
        return files.look(apr_pstrcat(r->pool, app.appRoot, "/", one.file, nullptr), now) == 0;
    });
    if (sign == std::end(SIGNS)) {
        return nullptr;
    }
    if (std::string_view(sign->file) == NodePackage::FILE) {
        if (app.hasPages) {
            return nullptr;
        }
        if (const std::string problem = packageProblem(app, settings, files, now); !problem.empty()) {
            return made(sign->file, apr_pstrdup(r->pool, problem.c_str()), PACKAGE_WANTED);
        }
    }
    return made(sign->file, nullptr, sign->remedy);
}

void UnknownApplication::log(const request_rec *r) const noexcept {
    if (isFirst(appRoot)) {
        ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, r,
                      "event=app.unknown root=\"%s\" found=\"%s\"%s%s%s looked_for=\"%s\" remedy=\"%s\"", appRoot, sign,
                      problem != nullptr ? " problem=\"cannot be read: " : "", problem != nullptr ? problem : "",
                      problem != nullptr ? "\"" : "", candidates, remedy);
    }
}

const char *UnknownApplication::text(apr_pool_t *pool) const {
    if (problem != nullptr) {
        return apr_pstrcat(pool, sign, " of ", appRoot, " cannot be read: ", problem, ". What helps: ", remedy, ".",
                           nullptr);
    }
    return apr_pstrcat(pool, appRoot, " has ", sign,
                       ", but none of the startup files that were looked for: ", candidates, ". What helps: ", remedy,
                       ".", nullptr);
}

}  // namespace Passenger
