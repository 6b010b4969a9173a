#include "apache2/config/ConfigManifest.h"

#include <string>
#include <utility>

#include <nlohmann/json.hpp>

#include "apache2/config/DirectiveTable.h"
#include "apache2/config/SettingValue.h"
#include "apache2/config/Settings.h"
#include "apache2/httpd/Guard.h"
#include "apache2/httpd/PoolText.h"
#include "base/Exceptions.h"
#include "base/FileDescriptor.h"

#include <fcntl.h>
#include <unistd.h>

namespace Passenger::ConfigManifest {

namespace {

using Json = nlohmann::ordered_json;

/** The settings that the configuration makes, without defaults. */
Json json(const Settings &settings) {
    Json result = Json::object();
    for (const Directives::Directive &directive : Directives::TABLE) {
        Json value = directive.successor == nullptr ? Directives::valueOf(directive, settings) : Json();
        if (!value.is_null()) {
            result[directive.name] = std::move(value);
        }
    }
    return result;
}

std::string manifest(const server_rec *main) {
    Json hosts = Json::array();
    for (const server_rec *server = main->next; server != nullptr; server = server->next) {
        hosts.push_back({{"server_name", orEmpty(server->server_hostname)}, {"settings", json(Settings::of(server))}});
    }
    const Json all{{"version", PASSENGER_VERSION}, {"settings", json(Settings::of(main))}, {"virtual_hosts", hosts}};
    return all.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

void writeTo(const char *path, const std::string &text) {
    // A new file replaces the old one. So only the owner may read the file, whatever the mode of
    // the old one, and no link is followed.
    std::string fresh = std::string(path) + ".XXXXXX";
    const FileDescriptor file(mkostemp(fresh.data(), O_CLOEXEC));
    const bool made = static_cast<bool>(file);
    if (made && ::write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
        ::rename(fresh.c_str(), path) == 0) {
        return;
    }
    const int error = errno;
    if (made) {
        ::unlink(fresh.c_str());
    }
    throw SystemException(std::string("PassengerDumpConfigManifest: ") + path + " cannot be written", error);
}

}  // namespace

void write(const server_rec *server) noexcept {
    const char *path = Settings::of(server).dumpConfigManifest;
    if (path == nullptr) {
        return;
    }
    try {
        writeTo(path, manifest(server));
    } catch (const std::exception &problem) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, server, "%s", problem.what());
    }
}

}  // namespace Passenger::ConfigManifest
