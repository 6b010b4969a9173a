#include "commands/AppSelection.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <system_error>

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

template <class Rule> std::vector<AppStatus> those(const std::vector<AppStatus> &apps, Rule rule) {
    std::vector<AppStatus> chosen;
    std::copy_if(apps.begin(), apps.end(), std::back_inserter(chosen), rule);
    return chosen;
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
    std::string text = arguments.has("name")
                           ? fmt::format("no application has the name {}. Running are:", arguments.value("name"))
                           : fmt::format("no application's path begins with {}. Running are:", prefixOf(arguments));
    for (const AppStatus &app : apps) {
        text += fmt::format("\n  {}  ({})", singleLine(app.name), singleLine(app.root));
    }
    return text;
}

}  // namespace Passenger
