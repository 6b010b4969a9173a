#include "commands/AppSelection.h"

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "base/Lists.h"
#include "commands/CommandFailure.h"
#include "commands/Terminal.h"

namespace Passenger {

namespace {

/** The current folder under the name by which a shell has entered it, as `pwd -L` (POSIX) shows
 *  it: the root of an application often is a symbolic link. */
std::filesystem::path currentFolder() {
    std::error_code error;
    const char *shown = std::getenv("PWD");
    if (shown != nullptr && *shown == '/' && std::filesystem::equivalent(shown, ".", error) && !error) {
        return shown;
    }
    return std::filesystem::current_path();
}

/** A script whose variable is not set names no path. @throws CommandFailureException */
std::string prefixOf(const Arguments &arguments) {
    const std::string &path = arguments.operands().front();
    if (path.empty()) {
        throw CommandFailureException("the path is empty; --all means all applications");
    }
    std::filesystem::path prefix = path;
    if (prefix.is_relative()) {
        prefix = currentFolder() / prefix;
    }
    return prefix.lexically_normal().string();
}

/** With PassengerUser or PassengerGroup a name ends with ` as user:group`. Scripts for Phusion
 *  Passenger know the name without it. */
std::vector<AppStatus> named(const std::string &name, const std::vector<AppStatus> &apps) {
    auto exact = those(apps, [&name](const AppStatus &app) { return app.name == name; });
    return !exact.empty() ? exact
                          : those(apps, [&name](const AppStatus &app) { return app.name.starts_with(name + " as "); });
}

}  // namespace

std::vector<AppStatus> selectApps(const Arguments &arguments, const std::vector<AppStatus> &apps) {
    const int ways = (arguments.has("all") ? 1 : 0) + (arguments.has("name") ? 1 : 0) +
                     static_cast<int>(arguments.operands().size());
    if (ways != 1) {
        throw CommandFailureException(
            "name the applications in one way: by the beginning of a path, by --name, or by --all");
    }
    if (arguments.has("all")) {
        return apps;
    }
    if (arguments.has("name")) {
        return named(arguments.value("name"), apps);
    }
    const std::string prefix = prefixOf(arguments);
    return those(apps, [&prefix](const AppStatus &app) { return (app.root + "/").starts_with(prefix); });
}

std::string noSuchApp(const Arguments &arguments, const std::vector<AppStatus> &apps) {
    if (apps.empty()) {
        return "no application is running, or this user owns none of those that are";
    }
    return sumOf(
        arguments.has("name") ? fmt::format("no application has the name {}. Running are:", arguments.value("name"))
                              : fmt::format("no application's path begins with {}. Running are:", prefixOf(arguments)),
        apps,
        [](const AppStatus &app) { return fmt::format("\n  {}  ({})", singleLine(app.name), singleLine(app.root)); });
}

}  // namespace Passenger
