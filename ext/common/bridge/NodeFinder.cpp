#include "bridge/NodeFinder.h"

#include <glob.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
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
/** Of NodeRange. */
constexpr const char *ANY_VERSION = "node";

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

/** The versions of a line such as `nodejs 22.11.0 20.18.0 system`. */
std::vector<std::string> toolVersions(const std::string &folder) {
    std::vector<std::string> versions;
    for (const std::string &line : split(regularFileContent(folder + "/" + TOOL_VERSIONS, LONGEST_WISH), '\n')) {
        std::istringstream words(line.substr(0, line.find('#')));
        std::string tool;
        if (words >> tool && (tool == "nodejs" || tool == "node")) {
            for (std::string version; words >> version;) {
                versions.push_back(version);
            }
            break;
        }
    }
    return versions;
}

/** In the order in which they count. */
std::vector<Wish> wishesOf(const std::string &folder) {
    for (const char *file : {".nvmrc", ".node-version"}) {
        const std::string content = regularFileContent(folder + "/" + file, LONGEST_WISH);
        // nvm takes comments and empty lines before the version.
        for (const std::string &line : split(content, '\n')) {
            const std::string_view wish = HttpText::trim(std::string_view(line).substr(0, line.find_first_of("\r#")));
            if (!wish.empty()) {
                return {{file, std::string(wish)}};
            }
        }
    }
    std::vector<Wish> wishes;
    for (const std::string &version : toolVersions(folder)) {
        // The Node in PATH, whatever its version.
        const bool isUsual = version == "system";
        wishes.push_back({TOOL_VERSIONS, isUsual ? ANY_VERSION : version});
        if (isUsual) {
            return wishes;
        }
    }
    const NodePackage package = NodePackage::of(folder);
    for (const std::string &wish : {package.voltaNode, package.engine}) {
        if (!wish.empty()) {
            wishes.push_back({NodePackage::FILE, wish});
        }
    }
    return wishes;
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

/** The programs by their versions. */
std::map<NodeVersion, std::string> installed(const Variables &variables) {
    std::map<NodeVersion, std::string> all;
    const auto add = [&](const std::string &pattern) {
        glob_t found{};
        if (::glob(pattern.c_str(), 0, nullptr, &found) == 0) {
            for (std::size_t i = 0; i < found.gl_pathc; ++i) {
                const std::string program = found.gl_pathv[i];
                const auto version = versionOf(program);
                if (version && ::access(program.c_str(), X_OK) == 0) {
                    all.emplace(*version, program);
                }
            }
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
    const std::vector<Wish> wishes = wishesOf(folder);
    if (wishes.empty()) {
        return result;
    }
    const auto usual = askedVersion(result.program);
    std::optional<std::map<NodeVersion, std::string>> others;
    for (const Wish &wish : wishes) {
        const auto range = NodeRange::parse(wish.text);
        if (!range) {
            continue;
        }
        if (usual && range->allows(*usual)) {
            return result;
        }
        if (!others) {
            others = installed(variables);
        }
        const auto newest = std::find_if(others->rbegin(), others->rend(),
                                         [&](const auto &other) { return range->allows(other.first); });
        if (newest != others->rend()) {
            result.program = newest->second;
            return result;
        }
    }
    const Wish &first = wishes.front();
    const char *const remedy = NodeRange::parse(first.text)
                                   ? "install it by nvm, n or in /opt, or set PassengerNodejs"
                                   : "this text is not understood: write a version, such as 24, or set "
                                     "PassengerNodejs";
    result.problem = fmt::format("wanted={} file=\"{}\" used=\"{}\" remedy=\"{}\"", EventLog::inQuotes(first.text),
                                 first.file, nameOf(usual), remedy);
    return result;
}

}  // namespace Passenger::Bridge
