#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>

namespace Passenger {

/** Something about each application, by name, until keep() forgets it. The owner locks. */
template <typename Value> class AppTable {
public:
    /** Makes it if there is none. */
    Value &operator[](const std::string &app) {
        Entry &entry = entries_[app];
        entry.doubted = false;
        return entry.value;
    }
    /** Null: there is none. */
    const Value *find(const std::string &app) const {
        const auto found = entries_.find(app);
        return found == entries_.end() ? nullptr : &found->second.value;
    }
    /** Forgets the applications for which the function returns false in two calls, one after the
     *  other: the caller may not know yet that one was started. */
    void keep(const std::function<bool(const std::string &)> &isKnown) {
        for (auto next = entries_.begin(); next != entries_.end();) {
            const auto entry = next++;
            const bool doubts = !isKnown(entry->first);
            if (std::exchange(entry->second.doubted, doubts) && doubts) {
                entries_.erase(entry);
            }
        }
    }

private:
    struct Entry {
        Value value{};
        /** The last keep() did not know it. */
        bool doubted = false;
    };

    std::map<std::string, Entry> entries_;
};

}  // namespace Passenger
