#include "base/NodePackage.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/FileContent.h"

namespace Passenger {

namespace {

/** Larger than any that people write. */
constexpr std::size_t LARGEST = 1024 * 1024;

bool isFile(const std::string &path) {
    struct stat file {};
    return stat(path.c_str(), &file) == 0 && S_ISREG(file.st_mode);
}

std::string textIn(const nlohmann::json &object, const char *name) {
    const auto found = object.is_object() ? object.find(name) : object.end();
    return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

const nlohmann::json &memberOf(const nlohmann::json &object, const char *name, const nlohmann::json &otherwise) {
    const auto found = object.is_object() ? object.find(name) : object.end();
    return found != object.end() ? *found : otherwise;
}

/** The file that Node's require() finds for a module. Empty: the package has no such file. */
std::string moduleFile(const std::string &folder, std::string name) {
    if (name.starts_with("./")) {
        name.erase(0, 2);
    }
    for (const char *ending : {"", ".js", ".cjs", ".mjs", "/index.js"}) {
        if (!name.empty() && isFile(fmt::format("{}/{}{}", folder, name, ending))) {
            return name + ending;
        }
    }
    return "";
}

}  // namespace

NodePackage NodePackage::of(const std::string &folder) {
    const std::string path = folder + "/" + FILE;
    NodePackage package;
    const nlohmann::json none;
    const nlohmann::json all = nlohmann::json::parse(regularFileContent(path, LARGEST), nullptr, false);
    package.name = textIn(all, "name");
    package.version = textIn(all, "version");
    package.start = textIn(memberOf(all, "scripts", none), "start");
    package.prestart = textIn(memberOf(all, "scripts", none), "prestart");
    package.main = textIn(all, "main");
    package.engine = textIn(memberOf(all, "engines", none), "node");
    package.voltaNode = textIn(memberOf(all, "volta", none), "node");
    return package;
}

std::string NodePackage::problem(const std::string &folder) {
    const std::string path = folder + "/" + FILE;
    if (!isFile(path)) {
        return "";
    }
    if (access(path.c_str(), R_OK) != 0) {
        return std::strerror(errno);
    }
    const std::string content = regularFileContent(path, LARGEST);
    if (content.empty()) {
        return "it is empty, or longer than 1 MiB";
    }
    try {
        const nlohmann::json all = nlohmann::json::parse(content);
        return all.is_object() ? "" : "it is no JSON object";
    } catch (const nlohmann::json::parse_error &error) {
        // The parser's own text quotes the file.
        const std::size_t end = std::min(content.size(), error.byte == 0 ? 0 : error.byte - 1);
        const auto line = 1 + std::count(content.begin(), content.begin() + static_cast<std::ptrdiff_t>(end), '\n');
        return "line " + std::to_string(line) + " is not JSON";
    }
}

std::string NodePackage::startupFile(const std::string &folder) {
    if (!isFile(folder + "/" + FILE)) {
        return "";
    }
    const NodePackage package = of(folder);
    if (!package.start.empty()) {
        return FILE;
    }
    for (const std::string &name : {std::string("server.js"), package.main, std::string("index.js")}) {
        if (std::string file = moduleFile(folder, name); !file.empty()) {
            return file;
        }
    }
    return "";
}

}  // namespace Passenger
