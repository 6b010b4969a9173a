#include "pool/InstanceNote.h"

#include <sstream>

#include <fmt/format.h>

#include "base/Exceptions.h"
#include "shm/Layouts.h"

namespace Passenger {

namespace {

constexpr const char *NO_GROUP = "-";

}  // namespace

/** The name of the application comes last, since it may have spaces. */
std::string InstanceNote::toText() const {
    std::string text = fmt::format("{} {} {} {} {} {:d} {:d} {:d} {:d} {} {} {}", pid, threads, stickyId,
                                   heartbeatTimeout.count(), stopTimeout.count(), hasDescendants, isAsgi, serves,
                                   deployFailed, restartFile, group.empty() ? NO_GROUP : group, cells.size());
    for (const CellRange &range : cells) {
        text += fmt::format(" {} {}", range.first, range.count);
    }
    return text + " " + app;
}

InstanceNote InstanceNote::parse(const std::string &text) {
    InstanceNote note;
    std::istringstream words(text);
    std::chrono::seconds::rep heartbeat = 0;
    std::chrono::seconds::rep stop = 0;
    std::size_t ranges = 0;
    words >> note.pid >> note.threads >> note.stickyId >> heartbeat >> stop >> note.hasDescendants >> note.isAsgi >>
        note.serves >> note.deployFailed >> note.restartFile >> note.group >> ranges;
    if (note.group == NO_GROUP) {
        note.group.clear();
    }
    note.heartbeatTimeout = std::chrono::seconds(heartbeat);
    note.stopTimeout = std::chrono::seconds(stop);
    for (std::size_t i = 0; i < ranges && words; i++) {
        CellRange range;
        words >> range.first >> range.count;
        if (range.first > ClaimsLayout::CELLS || range.count > ClaimsLayout::CELLS - range.first) {
            words.setstate(std::ios::failbit);
        }
        note.cells.push_back(range);
    }
    if (!words || words.get() != ' ' || !std::getline(words, note.app, '\0') || note.pid <= 1 || note.cells.empty()) {
        throw ProtocolException("the note of an instance is malformed: \"" + text + "\"");
    }
    return note;
}

}  // namespace Passenger
