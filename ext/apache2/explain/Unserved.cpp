#include "apache2/explain/Unserved.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include "apache2/config/Settings.h"
#include "apache2/explain/SettingsForm.h"
#include "apache2/httpd/PoolText.h"
#include "apache2/request/AppFinder.h"
#include "apache2/request/SetHandler.h"
#include "apache2/request/UnknownApplication.h"

extern "C" {
#include <unixd.h>
}

namespace Passenger::Unserved {

namespace {

/** Whether this process, which has the rights of httpd's user, may not look into the folder. */
bool cannotSearch(const char *folder) {
    struct stat status {};
    const std::string inside = std::string(orEmpty(folder)) + "/.";
    return folder != nullptr && stat(inside.c_str(), &status) != 0 && errno == EACCES;
}

std::string answerOf(const MadeRequest &made) {
    const char *location = apr_table_get(made.r->headers_out, "Location");
    location = location != nullptr ? location : apr_table_get(made.r->err_headers_out, "Location");
    const std::string status = std::to_string(made.outcome);
    return location != nullptr ? "httpd redirects to " + std::string(location) + " (" + status + ")"
                               : "httpd answers with status " + status + " before an application is looked for";
}

}  // namespace

std::string reason(const MadeRequest &made, StartupFileCache &files) {
    request_rec *r = made.r;
    const Settings &settings = Settings::of(r);
    if (made.outcome != OK) {
        return answerOf(made);
    }
    if (!settings.enabled) {
        return "PassengerEnabled is Off here" + SettingsForm::place("PassengerEnabled", settings);
    }
    if (r->proxyreq != PROXYREQ_NONE) {
        return "mod_proxy passes the request on to " + std::string(orEmpty(r->filename));
    }
    if (SetHandler::choosesModule(r)) {
        return "SetHandler gives the request to " +
               (r->handler != nullptr ? "\"" + std::string(r->handler) + "\"" : std::string("another handler"));
    }
    if (r->finfo.filetype == APR_REG) {
        return "the file " + std::string(orEmpty(r->filename)) + " exists, and httpd answers with it";
    }
    const AppFinder app(r, settings, files);
    if (app.appRoot == nullptr) {
        return "the DocumentRoot " + std::string(orEmpty(app.documentRoot)) +
               " has no parent folder: set PassengerAppRoot to the application's folder";
    }
    if (const auto *unknown = UnknownApplication::at(r, app, settings, files)) {
        return unknown->text(r->pool);
    }
    if (app.error == ENOENT) {
        return "there is no application: " + std::string(app.appRoot) + " has none of " +
               AppFinder::candidates(r->pool, settings);
    }
    if (app.error != 0) {
        return std::string(app.path(r->pool)) + " cannot be seen by httpd's user " +
               orEmpty(ap_unixd_config.user_name) + ": " + std::strerror(app.error);
    }
    return "another module answers" + (r->handler != nullptr ? ": handler \"" + std::string(r->handler) + "\"" : "");
}

bool isMistake(const MadeRequest &made, StartupFileCache &files) {
    request_rec *r = made.r;
    const Settings &settings = Settings::of(r);
    if (!settings.enabled || r->proxyreq != PROXYREQ_NONE || SetHandler::choosesModule(r)) {
        return false;
    }
    if (made.outcome != OK) {
        return made.outcome == HTTP_FORBIDDEN && cannotSearch(ap_document_root(r));
    }
    const AppFinder app(r, settings, files);
    if (app.appRoot == nullptr || app.error == 0) {
        return false;
    }
    return app.error != ENOENT || UnknownApplication::at(r, app, settings, files) != nullptr;
}

}  // namespace Passenger::Unserved
