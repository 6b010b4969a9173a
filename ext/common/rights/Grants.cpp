#include "rights/Grants.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <system_error>
#include <type_traits>

#include <fmt/format.h>

#include "base/Split.h"
#include "rights/GrantFields.h"
#include "rights/LoaderVariables.h"
#include "rights/UserResolver.h"

namespace Passenger {

namespace {

namespace fs = std::filesystem;

using GrantFields::FIELDS;
using GrantFields::GrantField;
using GrantFields::GrantValue;
using GrantFields::VALUES;

constexpr const char *LIMITED = "limited";
constexpr const char *FIXED = "fixed";

/** A part of an application's name, beside its folder. */
struct NamePart {
    const char *key;
    std::string Options::*option;
    /** The value where no directive sets one. */
    const char *fallback;
};

constexpr std::array NAME_PARTS{NamePart{"user", &Options::user, ""}, NamePart{"group", &Options::group, ""},
                                NamePart{GrantFields::ENVIRONMENT, &Options::environment, "production"}};

constexpr const char *DOCUMENT_ROOT = "document_root";
constexpr const char *APP_ROOT = "app_root";
constexpr const char *BASE_URI = "base_uri";
constexpr const char *ANY = "any";
/** The key of a .htaccess file that may have these directives by AllowOverrideList. */
constexpr const char *ANY_NAME = "name";

/** The name that the module gives an application without PassengerAppGroupName. */
std::string derivedName(const Options &options) {
    std::string name = options.appRoot + " (" + options.environment + ")";
    if (!options.user.empty() || !options.group.empty()) {
        name += " as " + options.user + (options.group.empty() ? "" : ":") + options.group;
    }
    return name;
}

bool hasDerivedName(const Options &options) {
    return options.appGroupName.empty() || options.appGroupName == derivedName(options);
}

bool needsNoName(const GrantField &field, const Options &options) {
    const std::string &value = options.*field.option;
    if (field.option == &Options::appGroupName) {
        return hasDerivedName(options);
    }
    return value.empty() || std::find(field.defaults.begin(), field.defaults.end(), value) != field.defaults.end();
}

/** The folder without slashes at its end, but for the root folder. */
std::string_view trimmed(std::string_view folder) {
    while (folder.size() > 1 && folder.ends_with('/')) {
        folder.remove_suffix(1);
    }
    return folder;
}

std::string_view parentOf(std::string_view folder) {
    folder = trimmed(folder);
    return trimmed(folder.substr(0, folder.rfind('/') + 1));
}

/** The folder above the one to which the path leads; empty if it leads nowhere. */
std::string parentBehindLinks(const std::string &path) {
    std::error_code error;
    const fs::path target = fs::canonical(path, error);
    return error ? "" : target.parent_path().string();
}

/** Whether it holds for each line of the text, which may be one empty line. */
template <typename Call> bool allLines(std::string_view text, Call call) {
    do {
        if (!call(takePiece(text, '\n'))) {
            return false;
        }
    } while (!text.empty());
    return true;
}

std::string missing(const std::string &value) {
    return fmt::format(
        "httpd's configuration has no {}. If a reload has removed it, the application's next request brings the "
        "present value. Otherwise a process that asks for it was taken over, or has another configuration",
        value);
}

}  // namespace

Grants::Grants(std::string text) : text_(std::move(text)) {
    parse();
    index();
}

void Grants::parse() {
    // Nothing moves afterwards.
    const auto most = static_cast<std::size_t>(std::count(text_.begin(), text_.end(), '\n')) + 1;
    lines_.reserve(most);
    places_.reserve(most);
    std::size_t begin = 0;
    std::size_t first = 0;
    bool inServer = false;
    const auto endPlace = [&] {
        std::sort(lines_.begin() + static_cast<std::ptrdiff_t>(begin), lines_.end());
        places_.emplace_back(lines_.data() + begin, lines_.size() - begin);
        begin = lines_.size();
    };
    const auto endServer = [&] {
        endPlace();
        servers_.emplace_back(places_.data() + first, places_.size() - first);
        first = places_.size();
    };
    for (std::string_view rest = text_; !rest.empty();) {
        const std::string_view line = takePiece(rest, '\n');
        const std::size_t space = line.find(' ');
        if (line == "server") {
            if (std::exchange(inServer, true)) {
                endServer();
            }
        } else if (line == "section" && inServer) {
            endPlace();
        } else if (inServer && space != std::string_view::npos) {
            lines_.emplace_back(line.substr(0, space), line.substr(space + 1));
        }
    }
    if (inServer) {
        endServer();
    }
}

Grants::Place Grants::linesOf(Place place, std::string_view key) {
    const auto first = std::ranges::lower_bound(place, key, {}, &Line::first);
    return {first, std::ranges::upper_bound(first, place.end(), key, {}, &Line::first)};
}

bool Grants::has(Place place, std::string_view key, std::string_view value) {
    return std::binary_search(place.begin(), place.end(), Line(key, value));
}

bool Grants::has(Server server, std::string_view key, std::string_view value) {
    return std::any_of(server.begin(), server.end(), [&](Place place) { return has(place, key, value); });
}

bool Grants::hasAny(Server server, std::string_view key) {
    return std::any_of(server.begin(), server.end(), [&](Place place) { return !linesOf(place, key).empty(); });
}

template <typename Call> void Grants::forEach(Server server, std::string_view key, Call call) {
    for (const Place place : server) {
        for (const Line &line : linesOf(place, key)) {
            call(line.second);
        }
    }
}

template <typename Call> void Grants::forEachFolder(Server server, Call call) {
    forEach(server, DOCUMENT_ROOT, [&](std::string_view root) { call(parentOf(root)); });
    forEach(server, APP_ROOT, call);
}

bool Grants::grants(Server server, std::string_view key, std::string_view value) const {
    return has(server, key, value) || has(servers_.front(), key, value);
}

bool Grants::isGranted(std::string_view key, std::string_view value) const {
    return std::any_of(servers_.begin(), servers_.end(), [&](Server server) { return has(server, key, value); });
}

bool Grants::grantsField(Server server, const GrantField &field, const Options &options) const {
    return grants(server, field.key, options.*field.option) ||
           (needsNoName(field, options) && !grants(server, FIXED, field.key));
}

bool Grants::grantsAll(Server server, const Options &options, Values values) const {
    const bool anyName = has(servers_.front(), ANY, ANY_NAME);
    return std::all_of(FIELDS.begin(), FIELDS.end(),
                       [&](const GrantField &field) {
                           return grantsField(server, field, options) ||
                                  (anyName && field.option == &Options::environment);
                       }) &&
           otherValues(server, options, values).empty() && fitsTogether(server, options);
}

/**
 * Whether the merge of some places can have these values. If two places have two of the values, the
 * inner place's value comes from a place that does not set the other one differently. Which place
 * is the inner one is not known.
 */
bool Grants::fitsTogether(Server server, const Options &options) const {
    const auto overlays = [&](Place place, const GrantField &one, const GrantField &other) {
        return has(place, one.key, options.*one.option) &&
               (linesOf(place, other.key).empty() || has(place, other.key, options.*other.option));
    };
    const auto fit = [&](const GrantField &one, const GrantField &other) {
        const auto anyOf = [&](Server named) {
            return std::any_of(named.begin(), named.end(),
                               [&](Place place) { return overlays(place, one, other) || overlays(place, other, one); });
        };
        return anyOf(server) || anyOf(servers_.front());
    };
    for (auto one = FIELDS.begin(); one != FIELDS.end(); ++one) {
        for (auto other = one + 1; other != FIELDS.end(); ++other) {
            if (!needsNoName(*one, options) && !needsNoName(*other, options) && !fit(*one, *other)) {
                return false;
            }
        }
    }
    return true;
}

std::string Grants::otherValues(Server server, const Options &options, Values values) const {
    std::string others;
    const bool mayBeInHtaccess = has(servers_.front(), ANY, ANY_NAME);
    for (const GrantValue &value : VALUES) {
        const bool needsNoLine =
            value.isDefault(options) && !grants(server, value.isLimit ? LIMITED : FIXED, value.key);
        const bool isFree = !value.isLimit && (mayBeInHtaccess || values == Values::LIMITS);
        const auto isNamed = [&](std::string_view line) { return grants(server, value.key, line); };
        if (!needsNoLine && !isFree && !allLines(value.text(options), isNamed)) {
            others += (others.empty() ? "" : ", ") + value.shown(options);
        }
    }
    return others;
}

std::optional<std::string> Grants::limitRefusal(const Options &options) const {
    if (std::none_of(servers_.begin(), servers_.end(), [](Server server) { return hasAny(server, LIMITED); })) {
        return std::nullopt;
    }
    bool known = false;
    std::string others;
    const auto grantsLimits = [&](Server server) {
        known = true;
        others = otherValues(server, options, Values::LIMITS);
        return grantsAll(server, options, Values::LIMITS);
    };
    if (anyWithFolder(options.appRoot, grantsLimits) || !known) {
        return std::nullopt;
    }
    return fmt::format(
        "the virtual host of the folder {} has other values than {}. Where an Alias of another virtual host leads to "
        "the folder, set the same values there. Otherwise a process that asks for these was taken over, or has another "
        "configuration",
        options.appRoot, others.empty() ? "those asked for" : others);
}

std::optional<std::string> Grants::refusal(const Options &options) const {
    return refusal(options, Values::ALL);
}

std::optional<std::string> Grants::startRefusal(const Options &options) const {
    return refusal(options, Values::LIMITS);
}

std::optional<std::string> Grants::refusal(const Options &options, Values values) const {
    const auto one = [&](Server server) {
        return mayHaveFolder(server, options.appRoot) && grantsAll(server, options, values);
    };
    if (everything() || std::any_of(servers_.begin(), servers_.end(), one)) {
        return std::nullopt;
    }
    for (const GrantField &field : FIELDS) {
        if (!needsNoName(field, options) && !isGranted(field.key, options.*field.option)) {
            return missing(fmt::format("{} \"{}\"", field.directive, options.*field.option));
        }
    }
    for (const GrantValue &value : VALUES) {
        const auto isNamed = [&](std::string_view line) { return isGranted(value.key, line); };
        if ((value.isLimit || values == Values::ALL) && !value.isDefault(options) &&
            !allLines(value.text(options), isNamed)) {
            return missing(value.shown(options));
        }
    }
    // The values of a virtual host that only follows links would mislead.
    std::string others;
    for (const auto &[folder, server] : withFolder(options.appRoot)) {
        if (others.empty()) {
            others = otherValues(server, options, values);
        }
    }
    return fmt::format(
        "httpd's configuration has no place with all of this application's settings (user \"{}\", group \"{}\", start "
        "command \"{}\", environment \"{}\", folder \"{}\"{}). If requests lead to the folder, set PassengerAppRoot to "
        "it in their place. Otherwise a process that asks for it was taken over, or has another configuration",
        options.user, options.group, options.startCommand, options.environment, options.appRoot,
        others.empty() ? "" : ", " + others);
}

/** Whether requests of the virtual host can lead to the folder, or links or .htaccess files decide
 *  about it. */
bool Grants::mayHaveFolder(Server server, std::string_view folder) const {
    const Server main = servers_.front();
    return hasAny(main, ANY) || followsLinks(main) || followsLinks(server) || namesFolder(server, folder);
}

bool Grants::namesFolder(Server server, std::string_view folder) const {
    bool found = has(servers_.front(), APP_ROOT, folder);
    forEachFolder(server, [&](std::string_view one) { found = found || one == folder; });
    return found;
}

template <typename Call> bool Grants::anyWithFolder(const std::string &folder, Call call) const {
    // Most folders need no look at the links of thousands of virtual hosts.
    return std::any_of(servers_.begin(), servers_.end(),
                       [&](Server server) { return namesFolder(server, folder) && call(server); }) ||
           std::any_of(servers_.begin(), servers_.end(),
                       [&](Server server) { return foldersBehindLinks(server).contains(folder) && call(server); });
}

std::set<std::string> Grants::foldersBehindLinks(Server server) const {
    std::set<std::string> folders;
    forEach(server, DOCUMENT_ROOT, [&](std::string_view root) {
        folders.insert(parentBehindLinks(std::string(root)));
        for (const Server named : {server, servers_.front()}) {
            forEach(named, BASE_URI, [&](std::string_view uri) {
                folders.insert(parentBehindLinks(std::string(root) + std::string(uri)));
            });
        }
    });
    folders.erase("");
    return folders;
}

std::set<std::string> Grants::namedFolders(const Options &options) const {
    std::set<std::string> folders;
    for (const Server server : servers_) {
        if (grantsAll(server, options, Values::LIMITS)) {
            forEachFolder(server, [&](std::string_view folder) { folders.emplace(folder); });
            folders.merge(foldersBehindLinks(server));
        }
    }
    return folders;
}

void Grants::index() {
    for (const Server server : servers_) {
        if (followsLinks(server)) {
            following_.push_back(server);
        }
        forEachFolder(server, [&](std::string_view folder) { byFolder_.emplace_back(folder, server); });
    }
    std::ranges::stable_sort(byFolder_, {}, &NamedServer::first);
}

std::span<const Grants::NamedServer> Grants::withFolder(std::string_view folder) const {
    const auto first = std::ranges::lower_bound(byFolder_, folder, {}, &NamedServer::first);
    const auto last = std::ranges::upper_bound(byFolder_, folder, {}, &NamedServer::first);
    return {first, last};
}

bool Grants::followsLinks(Server server) {
    return hasAny(server, BASE_URI) || has(server, "resolve_symlinks", "On");
}

bool Grants::mayHaveNameParts(Server server, const Options &options) const {
    return std::all_of(NAME_PARTS.begin(), NAME_PARTS.end(), [&](const NamePart &part) {
        const std::string &value = options.*part.option;
        return grants(server, part.key, value) || (value == part.fallback && !grants(server, FIXED, part.key));
    });
}

template <typename Call> bool Grants::anyMayHave(const std::string &folder, Call call) const {
    const Server main = servers_.front();
    if (followsLinks(main) || hasAny(main, ANY) || has(main, APP_ROOT, folder)) {
        return std::any_of(servers_.begin(), servers_.end(), call);
    }
    return std::any_of(following_.begin(), following_.end(), call) ||
           std::ranges::any_of(withFolder(folder), [&](const auto &one) { return call(one.second); });
}

bool Grants::mayHaveDerivedName(const Options &options) const {
    return anyMayHave(options.appRoot, [&](Server server) { return mayHaveNameParts(server, options); });
}

bool Grants::hasOwner(const Options &options) const {
    return everything() || anyMayHave(options.appRoot, [&](Server server) {
               return std::all_of(FIELDS.begin(), FIELDS.end(), [&](const GrantField &field) {
                   const bool decides =
                       field.option == &Options::user || field.option == &Options::group ||
                       (field.option == &Options::startupFile && UserResolver::startupFileDecides(options));
                   return !decides || grantsField(server, field, options);
               });
           });
}

bool Grants::hasName(const Options &options) const {
    if (everything()) {
        return true;
    }
    if (hasDerivedName(options) && !has(servers_.front(), ANY, ANY_NAME)) {
        return mayHaveDerivedName(options);
    }
    return std::none_of(FIELDS.begin(), FIELDS.end(), [&](const GrantField &field) {
        const bool isPartOfName =
            field.option == &Options::user || field.option == &Options::group || field.option == &Options::appGroupName;
        return isPartOfName && !needsNoName(field, options) && !isGranted(field.key, options.*field.option);
    });
}

bool Grants::coversFolder(const Options &options) const {
    if (everything() ||
        (options.user.empty() && options.group.empty() && options.startCommand.empty() && hasDerivedName(options))) {
        return true;
    }
    return anyWithFolder(options.appRoot, [&](Server server) { return grantsAll(server, options, Values::LIMITS); });
}

bool Grants::allowsVariable(const std::string &name, const std::string &value) const {
    return everything() || !LoaderVariables::has(name) ||
           std::any_of(servers_.begin(), servers_.end(),
                       [&](Server server) { return has(server, "variable", name + "=" + value); });
}

}  // namespace Passenger
