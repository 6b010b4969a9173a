#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace Passenger {

/** What is known by a name. Mass virtual hosting can make more names than MAX; all are then
 *  forgotten. A look-up makes no string: each request looks. */
template <typename Value> class NameCache {
public:
    static constexpr std::size_t MAX = 10'000;

    /** Null: nothing is known. */
    const Value *find(std::string_view name) const {
        const auto found = values_.find(name);
        return found == values_.end() ? nullptr : &found->second;
    }
    void put(std::string_view name, Value value) {
        if (const auto found = values_.find(name); found != values_.end()) {
            found->second = std::move(value);
            return;
        }
        if (values_.size() >= MAX) {
            values_.clear();
        }
        values_.emplace(name, std::move(value));
    }
    void erase(std::string_view name) {
        if (const auto found = values_.find(name); found != values_.end()) {
            values_.erase(found);
        }
    }

private:
    struct Hash {
        using is_transparent = void;

        std::size_t operator()(std::string_view name) const noexcept { return std::hash<std::string_view>()(name); }
    };

    std::unordered_map<std::string, Value, Hash, std::equal_to<>> values_;
};

}  // namespace Passenger
