#include "bridge/NodeFinder.h"

#include <glob.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>
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

/** Bytes of a file that names a version. */
constexpr std::size_t LONGEST_WISH = 4096;

struct Wish {
    std::string file;
    std::string text;
};

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
    return {NodePackage::FILE, NodePackage::of(folder).engine};
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

std::vector<std::string> installed(const std::string &home) {
    std::vector<std::string> all;
    const auto add = [&](const std::string &pattern) {
        glob_t found{};
        if (::glob(pattern.c_str(), 0, nullptr, &found) == 0) {
            all.insert(all.end(), found.gl_pathv, found.gl_pathv + found.gl_pathc);
        }
        ::globfree(&found);
    };
    if (!home.empty()) {
        for (const char *pattern :
             {"/.nvm/versions/node/*/bin/node", "/.nodenv/versions/*/bin/node", "/.asdf/installs/nodejs/*/bin/node",
              "/n/n/versions/node/*/bin/node", "/.local/share/fnm/node-versions/*/installation/bin/node",
              "/.local/share/mise/installs/node/*/bin/node", "/.volta/tools/image/node/*/bin/node"}) {
            add(home + pattern);
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

NodeFinder NodeFinder::find(const std::string &folder, const std::string &home) {
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
    for (const std::string &program : range ? installed(home) : std::vector<std::string>()) {
        const auto version = versionOf(program);
        if (version && range->allows(*version) && (!newest || *version > *newest) &&
            ::access(program.c_str(), X_OK) == 0) {
            newest = version;
            result.program = program;
        }
    }
    if (!newest) {
        result.problem = fmt::format(
            "wanted={} file=\"{}\" used=\"{}\" remedy=\"install it by nvm, n or in /opt, or "
            "set PassengerNodejs\"",
            EventLog::inQuotes(wish.text), wish.file, nameOf(usual));
    }
    return result;
}

}  // namespace Passenger::Bridge
