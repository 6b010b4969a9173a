#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "exchange/Options.h"

namespace Passenger {

/** For maps whose keys are Options::groupName(): finds the entry for Options without building the
 *  name, since each request looks it up. */
struct GroupNameHash {
    using is_transparent = void;

    // Not noexcept, so that libstdc++ stores the hash beside each name. Otherwise it also compares
    // names of neighbours in a bucket.
    std::size_t operator()(const std::string &name) const { return add(START, name); }
    std::size_t operator()(const Options &options) const noexcept {
        if (!options.appGroupName.empty()) {
            return add(START, options.appGroupName);
        }
        return add(add(add(add(START, options.appRoot), " ("), options.environment), ")");
    }

private:
    // FNV-1a, which can continue from its last state.
    static constexpr std::uint64_t START = 14695981039346656037U;
    static constexpr std::uint64_t PRIME = 1099511628211U;

    static std::uint64_t add(std::uint64_t hash, std::string_view text) noexcept {
        for (const char c : text) {
            hash = (hash ^ static_cast<unsigned char>(c)) * PRIME;
        }
        return hash;
    }
};

struct GroupNameEqual {
    using is_transparent = void;

    bool operator()(const std::string &a, const std::string &b) const noexcept { return a == b; }
    bool operator()(const std::string &name, const Options &options) const noexcept {
        if (!options.appGroupName.empty()) {
            return name == options.appGroupName;
        }
        const std::size_t root = options.appRoot.size();
        const std::size_t environment = options.environment.size();
        return name.size() == root + environment + 3 && name.compare(0, root, options.appRoot) == 0 &&
               name.compare(root, 2, " (") == 0 && name.compare(root + 2, environment, options.environment) == 0 &&
               name.back() == ')';
    }
    bool operator()(const Options &options, const std::string &name) const noexcept { return (*this)(name, options); }
};

}  // namespace Passenger
