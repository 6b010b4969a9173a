#include "apache2/config/ConfigManifest.h"

#include <string>
#include <type_traits>
#include <variant>

#include "apache2/config/DirectiveTable.h"
#include "apache2/config/Settings.h"
#include "apache2/httpd/Guard.h"
#include "base/Exceptions.h"
#include "base/FileDescriptor.h"
#include "base/Json.h"

#include <fcntl.h>
#include <unistd.h>

namespace Passenger::ConfigManifest {

namespace {

using Directives::Form;

std::string json(const char *text) {
    return jsonString(text);
}

std::string json(const char *text, Form) {
    return json(text);
}

std::string json(const Settings::Number &number, Form form) {
    return form == Form::TIME ? jsonString(Directives::timeText(*number)) : std::to_string(*number);
}

std::string json(const Settings::Flag &flag, Form) {
    return *flag ? "true" : "false";
}

std::string json(Settings::List list, Form) {
    std::string result;
    for (const char *text : Settings::items(list)) {
        result += (result.empty() ? "" : ", ") + json(text);
    }
    return "[" + result + "]";
}

/** The settings that the configuration makes, without defaults. */
std::string json(const Settings &settings) {
    std::string result;
    for (const Directives::Directive &directive : Directives::TABLE) {
        if (directive.successor != nullptr) {
            continue;
        }
        std::visit(
            [&](auto member) {
                if (member != nullptr && settings.*member) {
                    result += (result.empty() ? "" : ", ") + json(directive.name) + ": " +
                              json(settings.*member, directive.field.form);
                }
            },
            directive.field.member);
    }
    return "{" + result + "}";
}

std::string manifest(const server_rec *main) {
    std::string hosts;
    for (const server_rec *server = main->next; server != nullptr; server = server->next) {
        hosts += hosts.empty() ? "\n" : ",\n";
        hosts += "    {\"server_name\": " + json(server->server_hostname != nullptr ? server->server_hostname : "") +
                 ", \"settings\": " + json(Settings::of(server)) + "}";
    }
    return "{\n  \"version\": " + json(PASSENGER_VERSION) + ",\n  \"settings\": " + json(Settings::of(main)) +
           ",\n  \"virtual_hosts\": [" + hosts + "\n  ]\n}\n";
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
