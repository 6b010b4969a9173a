#include "agent/Drains.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/Exceptions.h"
#include "base/Split.h"
#include "base/WholeNumber.h"
#include "pool/DescriptorStore.h"

namespace Passenger {

namespace {

/** The first line tells whether the whole server drains. Names of applications follow, each with
 *  its owner after a tab if the owner is known. */
constexpr const char *ALL = "all";
constexpr const char *SOME = "some";
constexpr char BEFORE_OWNER = '\t';
/** The length of the lines of one owner's applications, so that other owners have room, too. */
constexpr std::size_t MOST_OF_AN_OWNER = 32 * std::size_t{1024};

std::string toLine(const std::string &app, Drains::Owner owner) {
    return owner ? fmt::format("{}{}{}", app, BEFORE_OWNER, *owner) : app;
}

std::pair<std::string, Drains::Owner> parse(const std::string &line) {
    const auto tab = line.rfind(BEFORE_OWNER);
    if (tab == std::string::npos) {
        return {line, std::nullopt};
    }
    return {line.substr(0, tab), wholeNumber<uid_t>(line.substr(tab + 1))};
}

}  // namespace

Drains::Drains(const std::string &note) {
    const std::vector<std::string> lines = split(note, '\n');
    if (!lines.empty()) {
        all_ = lines.front() == ALL;
        std::transform(lines.begin() + 1, lines.end(), std::inserter(apps_, apps_.end()), parse);
    }
}

Drains::Owner Drains::ownerOf(const std::string &app) const {
    const auto found = apps_.find(app);
    return found == apps_.end() ? std::nullopt : found->second;
}

bool Drains::drainAll(bool drains) noexcept {
    return std::exchange(all_, drains) != drains;
}

bool Drains::begin(const std::string &app, Owner owner, Owner asker) {
    if (apps_.contains(app)) {
        return false;
    }
    const std::string line = toLine(app, owner);
    DescriptorStore::demandRoom(note(), line);
    std::size_t size = line.size();
    for (const auto &[other, itsOwner] : apps_) {
        size += itsOwner == asker ? toLine(other, itsOwner).size() : 0;
    }
    if (asker && size > MOST_OF_AN_OWNER) {
        throw IOException("too many applications of yours drain: passenger-status lists them");
    }
    apps_.emplace(app, owner);
    return true;
}

bool Drains::noteOwners(const std::function<Owner(const std::string &)> &ownerOf) {
    bool changed = false;
    for (auto &[app, owner] : apps_) {
        const Owner now = ownerOf(app);
        changed = std::exchange(owner, now) != now || changed;
    }
    return changed;
}

std::string Drains::note() const {
    std::string note = all_ ? ALL : SOME;
    for (const auto &[app, owner] : apps_) {
        note += "\n" + toLine(app, owner);
    }
    return note;
}

}  // namespace Passenger
