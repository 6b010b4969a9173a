/*
 * Reads random text as the Grants of httpd's configuration, and asks them about random options. An
 * oracle finds the same by comparing whole lines: nothing counts that no line names, and what
 * stands in different virtual hosts does not count together.
 */
#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/Split.h"
#include "rights/Grants.h"
#include "rights/GrantsInForce.h"

namespace {

using namespace Passenger;

void require(bool condition) {
    if (!condition) {
        std::abort();
    }
}

/** The lines of a virtual host. */
struct Server {
    std::set<std::string> lines;
    std::vector<std::set<std::string>> places{1};

    bool contains(const std::string &line) const { return lines.contains(line); }
};

/** The first is the main server. */
using Servers = std::vector<Server>;

Servers serversIn(const std::string &text) {
    Servers servers;
    for (const std::string &line : split(text, '\n')) {
        if (line == "server") {
            servers.emplace_back();
        } else if (line == "section" && !servers.empty()) {
            servers.back().places.emplace_back();
        } else if (!servers.empty()) {
            servers.back().lines.insert(line);
            servers.back().places.back().insert(line);
        }
    }
    return servers;
}

/** A line that the options need, unless the value is a default that no line fixes. */
struct Need {
    std::string key;
    std::string value;
    bool isDefault;

    std::string line() const { return key + " " + value; }
};

bool hasOwnName(const Options &options) {
    std::string derived = options.appRoot + " (" + options.environment + ")";
    if (!options.user.empty() || !options.group.empty()) {
        derived += " as " + options.user + (options.group.empty() ? "" : ":" + options.group);
    }
    return !options.appGroupName.empty() && options.appGroupName != derived;
}

std::vector<Need> neededBy(const Options &options) {
    const std::array<std::pair<std::string, std::string>, 11> values{{{"user", options.user},
                                                                      {"group", options.group},
                                                                      {"ruby", options.ruby},
                                                                      {"python", options.python},
                                                                      {"nodejs", options.nodejs},
                                                                      {"start_command", options.startCommand},
                                                                      {"startup_file", options.startupFile},
                                                                      {"app_callable", options.appCallable},
                                                                      {"environment", options.environment},
                                                                      {"instance_address", options.instanceAddress},
                                                                      {"log_file", options.logFile}}};
    static const std::set<std::string> defaults{"python python3",         "nodejs node",
                                                "startup_file config.ru", "startup_file passenger_wsgi.py",
                                                "startup_file app.js",    "app_callable application",
                                                "environment production", "instance_address 127.0.0.1"};
    std::vector<Need> needs{{"app_group_name", options.appGroupName, !hasOwnName(options)}};
    for (const auto &[key, value] : values) {
        needs.push_back({key, value, value.empty() || defaults.contains(fmt::format("{} {}", key, value))});
    }
    return needs;
}

bool anyHas(const Servers &servers, const std::string &line) {
    return std::any_of(servers.begin(), servers.end(), [&](const auto &server) { return server.contains(line); });
}

/** Whether the place has the first line, and none that sets the second one's key differently. */
bool overlays(const std::set<std::string> &place, const std::string &one, const std::string &other) {
    const std::string key = other.substr(0, other.find(' ') + 1);
    return place.contains(one) &&
           (place.contains(other) ||
            std::none_of(place.begin(), place.end(), [&](const auto &line) { return line.starts_with(key); }));
}

bool fit(const Servers &servers, const Server &server, const std::string &one, const std::string &other) {
    for (const Server *named : {&servers.front(), &server}) {
        for (const auto &place : named->places) {
            if (overlays(place, one, other) || overlays(place, other, one)) {
                return true;
            }
        }
    }
    return false;
}

struct Number {
    const char *key;
    std::int64_t value;
    std::int64_t fallback;
    bool isLimit = true;
};

bool hasKey(const std::set<std::string> &lines, std::string_view key) {
    return std::any_of(lines.begin(), lines.end(), [key](const auto &line) { return line.starts_with(key); });
}

/** Whether a line of the virtual host gives the folder, or its lines do not tell. */
bool mayHaveFolder(const Server &main, const Server &server, const std::string &folder) {
    constexpr std::string_view ROOT = "document_root ";
    const auto follows = [](const Server &one) {
        return hasKey(one.lines, "base_uri ") || one.contains("resolve_symlinks On");
    };
    const auto isRoot = [&](const std::string &line) {
        std::filesystem::path root = line.substr(std::min(line.size(), ROOT.size()));
        root = root.has_filename() ? root : root.parent_path();
        return line.starts_with(ROOT) && root.parent_path() == folder;
    };
    return hasKey(main.lines, "any ") || follows(main) || follows(server) || main.contains("app_root " + folder) ||
           server.contains("app_root " + folder) || std::any_of(server.lines.begin(), server.lines.end(), isRoot);
}

/** How many instances there are, and for how long, is compared when a child asks only. */
enum class When { ASKED, AT_START };

bool oneHasAll(const Servers &servers, const Options &options, When when) {
    const std::vector<Need> needs = neededBy(options);
    std::vector<std::string> lines;
    for (const Need &need : needs) {
        if (!need.isDefault) {
            lines.push_back(need.line());
        }
    }
    const std::array numbers{Number{"memory_max", options.memoryMax, 0},
                             Number{"cpu_weight", options.cpuWeight, 0},
                             Number{"tasks_max", options.tasksMax, 0},
                             Number{"memory_limit", options.memoryLimit, 0},
                             Number{"hard_memory_limit", options.hardMemoryLimit, 0},
                             Number{"memory_budget", options.memoryBudget, 0},
                             Number{"max_log_lines", options.maxLogLines, 1000},
                             Number{"max_boot_processes", options.maxBootProcesses, 1000},
                             Number{"min_instances", options.minInstances, 1, false},
                             Number{"start_timeout", options.startTimeout.count(), 90, false}};
    const bool anyNumber = servers.front().contains("any name");
    return std::any_of(servers.begin(), servers.end(), [&](const auto &server) {
        const auto has = [&](const std::string &line) {
            return server.contains(line) || servers.front().contains(line);
        };
        const bool fits = std::all_of(lines.begin(), lines.end(), [&](const std::string &one) {
            return std::all_of(lines.begin(), lines.end(), [&](const std::string &other) {
                return &one == &other || fit(servers, server, one, other);
            });
        });
        const auto may = [&](const Need &need) {
            return has(need.line()) || (need.isDefault && !has("fixed " + need.key)) ||
                   (need.key == "environment" && servers.front().contains("any name"));
        };
        return std::all_of(needs.begin(), needs.end(), may) && fits &&
               (when == When::AT_START || mayHaveFolder(servers.front(), server, options.appRoot)) &&
               std::all_of(numbers.begin(), numbers.end(), [&](const Number &number) {
                   const std::string_view fixed = number.isLimit ? "limited" : "fixed";
                   return has(fmt::format("{} {}", number.key, number.value)) ||
                          (number.value == number.fallback && !has(fmt::format("{} {}", fixed, number.key))) ||
                          (!number.isLimit && (anyNumber || when == When::AT_START));
               });
    });
}

void checkFolder(const Servers &servers, const Grants &grants, const Options &options) {
    const bool covers = grants.coversFolder(options);
    if (servers.empty() ||
        (options.user.empty() && options.group.empty() && options.startCommand.empty() && !hasOwnName(options))) {
        require(covers);
    } else if (covers) {
        require(oneHasAll(servers, options, When::AT_START) &&
                std::any_of(servers.begin(), servers.end(), [](const auto &one) {
                    return hasKey(one.lines, "app_root ") || hasKey(one.lines, "document_root ");
                }));
    }
}

void checkVariable(const Servers &servers, const Grants &grants, const std::string &name, const std::string &value) {
    require(grants.allowsVariable("PASSENGER_" + name, value));
    const std::array<std::string, 4> loaders{"LD_" + name, "PYTHON" + name, "PATH", "RUBYOPT"};
    for (const std::string &loader : loaders) {
        require(grants.allowsVariable(loader, value) ==
                (servers.empty() || anyHas(servers, fmt::format("variable {}={}", loader, value))));
    }
}

}  // namespace

/** The input: the text and the options, each ended by a zero byte. A number is the length of
 *  its part. */
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    constexpr std::size_t PARTS = 19;
    const std::string_view input(reinterpret_cast<const char *>(data), size);
    std::vector<std::string> parts = split(input, '\0');
    parts.resize(PARTS);
    Options options;
    std::size_t next = 1;
    for (std::string *value :
         {&options.appRoot, &options.environment, &options.user, &options.group, &options.ruby, &options.python,
          &options.nodejs, &options.startCommand, &options.startupFile, &options.appGroupName}) {
        *value = parts[next++];
    }

    const std::string &name = parts[next++];
    const std::string &value = parts[next++];
    for (unsigned *limit : {&options.memoryMax, &options.cpuWeight, &options.tasksMax}) {
        *limit = static_cast<unsigned>(parts[next++].size());
    }
    options.appCallable = parts[next++];
    options.minInstances += static_cast<unsigned>(parts[next++].size());
    options.startTimeout += std::chrono::seconds(parts[next++].size());

    const std::string &text = parts[0];
    const Servers servers = serversIn(text);
    const Grants grants(text);
    const bool granted = servers.empty() || oneHasAll(servers, options, When::ASKED);
    require(grants.everything() == servers.empty());
    const auto refusal = grants.refusal(options);
    require(refusal.has_value() != granted);
    require(!refusal || !refusal->empty());
    require(!grants.startRefusal(options) || refusal);
    checkFolder(servers, grants, options);
    checkVariable(servers, grants, name, value);
    const bool hasOwner = grants.hasOwner(options);
    require(hasOwner || refusal);
    require(!hasOwner || servers.empty() || options.user.empty() || anyHas(servers, "user " + options.user));
    require(!hasOwner || servers.empty() || options.group.empty() || anyHas(servers, "group " + options.group));

    // After a reload that takes everything away. A text without a server is none of httpd's.
    GrantsInForce inForce;
    const GrantsInForce::Now start{};
    inForce.use(text, start);
    inForce.use("server\n", start);
    const bool first = !Grants("server\n").refusal(options);
    const auto last = start + GrantsInForce::EARLIER_COUNT_FOR;
    require(inForce.refusal(options, last).has_value() != first);
    require(inForce.refusal(options, last - std::chrono::seconds(1)).has_value() !=
            (first || (granted && !servers.empty())));
    return 0;
}
