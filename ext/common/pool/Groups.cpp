#include "pool/Groups.h"

#include <utility>

#include "base/Exceptions.h"
#include "shm/GenerationTable.h"

namespace Passenger {

Group &Groups::findOrMake(const Options &options) {
    if (Group *known = find(options)) {
        return *known;
    }
    if (bySlot_.size() == GenerationLayout::GROUPS) {
        throw IOException("4,096 applications are known already, the most that may be");
    }
    auto made =
        std::make_unique<SuperGroup>(context_, room_, timer_, options, static_cast<std::uint32_t>(bySlot_.size()));
    Group &group = made->group();
    superGroups_.emplace(made->name(), std::move(made));
    bySlot_.push_back(&group);
    return group;
}

}  // namespace Passenger
