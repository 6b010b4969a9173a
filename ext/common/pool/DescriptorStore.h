#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/Exceptions.h"

namespace Passenger {

/**
 * Keeps copies of descriptors that must outlive a crash of the pool process (the watchdog has
 * them). Thread-safe; never blocks.
 */
class DescriptorStore {
public:
    virtual ~DescriptorStore() = default;
    /** Leaves copies under `key`, replacing what was there. */
    virtual void put(const std::string &key, const std::string &note, const std::vector<int> &descriptors) = 0;
    virtual void remove(const std::string &key) = 0;

    /** Whether a note of lines with names may get one with this name. Two such notes are in one
     *  frame for the next agent. @throws IOException: it may not */
    static void demandRoom(const std::string &note, const std::string &name) {
        constexpr std::size_t MOST_OF_A_NOTE = 384 * std::size_t{1024};
        if (name.find('\n') != std::string::npos) {
            throw IOException("a name with a line break is not possible");
        }
        if (note.size() + name.size() > MOST_OF_A_NOTE) {
            throw IOException("too many applications drain or are paused: passenger-status lists them");
        }
    }
};

}  // namespace Passenger
