#include "pool/InstanceStore.h"

#include <sys/socket.h>

#include <algorithm>
#include <exception>
#include <utility>

#include "io/SocketPair.h"
#include "log/Log.h"

namespace Passenger {

namespace {

/** The order of the descriptors. Those of the claims come last. */
enum : std::size_t { PID_FD, CONTROL, OUTPUT, CLAIMS };

}  // namespace

void InstanceStore::put(InstanceNote note, const Ends &ends, const std::vector<Part> &parts) {
    std::vector<int> descriptors{ends.pidFd, ends.control, ends.output};
    note.cells.clear();
    for (const Part &part : parts) {
        if (descriptors.size() < MAX_DESCRIPTORS) {
            note.cells.push_back(part.cells);
            descriptors.push_back(part.claims);
        }
    }
    store_.put(keyOf(note.pid), note.toText(), descriptors);
}

bool InstanceStore::isEntry(const std::string &key, std::size_t descriptors) {
    return key.starts_with(PREFIX) && descriptors > CLAIMS;
}

std::optional<Orphan> InstanceStore::restore(const std::string &key, const std::string &note,
                                             std::vector<FileDescriptor> descriptors, const FindGroup &findGroup) {
    Orphan orphan;
    try {
        orphan.note = InstanceNote::parse(note);
    } catch (const std::exception &error) {
        Log::error("event=instance.not_restored error=\"{}\"", error.what());
        ::shutdown(descriptors[CONTROL].get(), SHUT_RDWR);
        store_.remove(key);
        return std::nullopt;
    }
    const InstanceNote &known = orphan.note;
    orphan.left = {.pid = known.pid,
                   .pidFd = std::move(descriptors[PID_FD]),
                   .control = std::move(descriptors[CONTROL]),
                   .output = std::move(descriptors[OUTPUT]),
                   .hasDescendants = known.hasDescendants,
                   .isAsgi = known.isAsgi,
                   .group = known.group.empty() ? nullptr : findGroup(known.app, known.group)};
    auto claims = std::make_shared<FormerClaims>();
    const std::size_t parts = std::min(known.cells.size(), descriptors.size() - CLAIMS);
    for (std::size_t i = 0; i < parts; i++) {
        claims->add({std::move(descriptors[CLAIMS + i]), known.cells[i]});
    }
    orphan.claims = std::move(claims);
    return orphan;
}

}  // namespace Passenger
