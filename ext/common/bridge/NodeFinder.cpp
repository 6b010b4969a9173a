#include "bridge/NodeFinder.h"

#include <glob.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/FileContent.h"
#include "base/HttpText.h"
#include "base/NodePackage.h"
#include "base/Split.h"
#include "bridge/EventLog.h"
#include "bridge/NodeRange.h"

namespace Passenger::Bridge {

namespace {

using Variables = std::map<std::string, std::string>;

/** Bytes of a file that names a version. */
constexpr std::size_t LONGEST_WISH = 4096;

/** Of asdf and mise. */
constexpr const char *TOOL_VERSIONS = ".tool-versions";

/** Where a version manager has its Nodes: below the folder that the variable names, and without it
 *  below that one of the home. */
struct Place {
    const char *variable;
    const char *usual;
    const char *pattern;
};

constexpr Place PLACES[] = {
    {"NVM_DIR", ".nvm", "versions/node/*/bin/node"},
    {"NODENV_ROOT", ".nodenv", "versions/*/bin/node"},
    {"ASDF_DATA_DIR", ".asdf", "installs/nodejs/*/bin/node"},
    {"N_PREFIX", "n", "n/versions/node/*/bin/node"},
    {"FNM_DIR", ".local/share/fnm", "node-versions/*/installation/bin/node"},
    {"MISE_DATA_DIR", ".local/share/mise", "installs/node/*/bin/node"},
    {"VOLTA_HOME", ".volta", "tools/image/node/*/bin/node"},
};

struct Wish {
    std::string file;
    std::string text;
};

/** The first version of a line such as `nodejs 22.11.0 20.18.0`. Empty: there is none, or it is
 *  the Node in PATH. */
std::string toolVersion(const std::string &folder) {
    for (const std::string &line : split(regularFileContent(folder + "/" + TOOL_VERSIONS, LONGEST_WISH), '\n')) {
        std::istringstream words(line.substr(0, line.find('#')));
        std::string tool;
        std::string version;
        if (words >> tool >> version && (tool == "nodejs" || tool == "node")) {
            return version == "system" ? "" : version;
        }
    }
    return "";
}

/** Empty text: none. */
Wish wishOf(const std::string &folder) {
    for (const char *file : {".nvmrc", ".node-version"}) {
        const std::string content = regularFileContent(folder + "/" + file, LONGEST_WISH);
        // nvm takes comments and empty lines before the version.
        for (const std::string &line : split(content, '\n')) {
            const std::string_view wish = HttpText::trim(std::string_view(line).substr(0, line.find_first_of("\r#")));
            if (!wish.empty()) {
                return {file, std::string(wish)};
            }
        }
    }
    if (std::string wish = toolVersion(folder); !wish.empty()) {
        return {TOOL_VERSIONS, std::move(wish)};
    }
    const NodePackage package = NodePackage::of(folder);
    return {NodePackage::FILE, package.voltaNode.empty() ? package.engine : package.voltaNode};
}

std::optional<NodeVersion> askedVersion(const std::string &program) {
    FILE *output = ::popen(fmt::format("exec '{}' --version 2>/dev/null", program).c_str(), "re");
    if (output == nullptr) {
        return std::nullopt;
    }
    std::array<char, 64> line{};
    const bool said = std::fgets(line.data(), line.size(), output) != nullptr;
    ::pclose(output);
    return said ? parseNodeVersion(
                      HttpText::trim(std::string_view(line.data()).substr(0, std::string_view(line.data()).find('\n'))))
                : std::nullopt;
}

/** `/opt/node-v20.11.1-linux-x64/bin/node` tells it. */
std::optional<NodeVersion> versionOf(const std::string &program) {
    for (const auto &part : std::filesystem::path(program)) {
        std::string_view name(part.native());
        name.remove_prefix(name.starts_with("node-") ? 5 : 0);
        if (const auto version = parseNodeVersion(name)) {
            return version;
        }
    }
    return askedVersion(program);
}

std::string valueOf(const std::string &name, const Variables &variables) {
    const auto found = variables.find(name);
    return found == variables.end() ? "" : found->second;
}

std::vector<std::string> installed(const Variables &variables) {
    std::vector<std::string> all;
    const auto add = [&](const std::string &pattern) {
        glob_t found{};
        if (::glob(pattern.c_str(), 0, nullptr, &found) == 0) {
            all.insert(all.end(), found.gl_pathv, found.gl_pathv + found.gl_pathc);
        }
        ::globfree(&found);
    };
    const std::string home = valueOf("HOME", variables);
    for (const Place &place : PLACES) {
        if (const std::string named = valueOf(place.variable, variables); !named.empty()) {
            add(named + "/" + place.pattern);
        } else if (!home.empty()) {
            add(home + "/" + place.usual + "/" + place.pattern);
        }
    }
    for (const char *pattern : {"/usr/local/n/versions/node/*/bin/node", "/usr/local/nvm/versions/node/*/bin/node",
                                "/opt/node*/bin/node", "/opt/node*/*/bin/node"}) {
        add(pattern);
    }
    return all;
}

std::string nameOf(const std::optional<NodeVersion> &version) {
    return version ? fmt::format("v{}.{}.{}", (*version)[0], (*version)[1], (*version)[2]) : "none";
}

}  // namespace

NodeFinder NodeFinder::find(const std::string &folder, const Variables &variables) {
    NodeFinder result;
    const Wish wish = wishOf(folder);
    if (wish.text.empty()) {
        return result;
    }
    const auto range = NodeRange::parse(wish.text);
    const auto usual = askedVersion(result.program);
    if (range && usual && range->allows(*usual)) {
        return result;
    }
    std::optional<NodeVersion> newest;
    for (const std::string &program : range ? installed(variables) : std::vector<std::string>()) {
        const auto version = versionOf(program);
        if (version && range->allows(*version) && (!newest || *version > *newest) &&
            ::access(program.c_str(), X_OK) == 0) {
            newest = version;
            result.program = program;
        }
    }
    if (!newest) {
        const char *const remedy = range ? "install it by nvm, n or in /opt, or set PassengerNodejs"
                                         : "this text is not understood: write a version, such as 24, or set "
                                           "PassengerNodejs";
        result.problem = fmt::format("wanted={} file=\"{}\" used=\"{}\" remedy=\"{}\"", EventLog::inQuotes(wish.text),
                                     wish.file, nameOf(usual), remedy);
    }
    return result;
}

}  // namespace Passenger::Bridge
