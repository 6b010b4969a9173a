#pragma once

#include <sys/types.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/FileDescriptor.h"
#include "pool/CellRange.h"
#include "pool/DescriptorStore.h"
#include "pool/FormerClaims.h"
#include "pool/InstanceNote.h"
#include "spawning/Spawner.h"

namespace Passenger {

/** An instance of a pool process that has ended. */
struct Orphan {
    InstanceNote note;
    LeftInstance left;
    std::shared_ptr<const FormerClaims> claims;
};

/**
 * What the watchdog has of each instance, under a key with its process id: a note, the descriptors
 * of the process, and those of the claims. Thread-safe.
 */
class InstanceStore {
public:
    /** See SpawnerFactory::groupNamed(). */
    using FindGroup = std::function<AppGroupPtr(const std::string &app, const std::string &name)>;

    /** Descriptors of the process. */
    struct Ends {
        int pidFd;
        int control;
        int output;
    };
    /** The instance's cells in one file of claims. */
    struct Part {
        int claims;
        CellRange cells;
    };

    /** @param store outlives this object */
    explicit InstanceStore(DescriptorStore &store) : store_(store) {}

    /**
     * Leaves the instance, in place of what was left of it.
     * @param note its cells are those of `parts`
     * @param parts not empty; the last ones are left out if they do not fit into a frame
     */
    void put(InstanceNote note, const Ends &ends, const std::vector<Part> &parts);
    void remove(pid_t pid) { store_.remove(keyOf(pid)); }
    /** Whether this is the entry of an instance, with all its descriptors. */
    static bool isEntry(const std::string &key, std::size_t descriptors);
    /** The instance of an earlier pool process. Nothing: the note is malformed. Then the instance
     *  is told to end, and the entry is removed. @param descriptors of an entry */
    std::optional<Orphan> restore(const std::string &key, const std::string &note,
                                  std::vector<FileDescriptor> descriptors, const FindGroup &findGroup);

    static std::string keyOf(pid_t pid) { return PREFIX + std::to_string(pid); }

private:
    static constexpr const char *PREFIX = "instance:";

    DescriptorStore &store_;
};

}  // namespace Passenger
