#include "agent/AppName.h"

#include <string_view>

namespace Passenger {

AppName::AppName(const std::string &name) {
    constexpr std::string_view AS = " as ";
    const std::size_t end = name.rfind(" (");
    const std::size_t close = end == std::string::npos ? end : name.find(')', end);
    if (!name.starts_with('/') || close == std::string::npos) {
        return;
    }
    root_ = name.substr(0, end);
    environment_ = name.substr(end + 2, close - end - 2);
    const std::string rest = name.substr(close + 1);
    if (rest.starts_with(AS)) {
        const std::size_t colon = rest.find(':');
        user_ = rest.substr(AS.size(), colon - AS.size());
        group_ = colon == std::string::npos ? std::string() : rest.substr(colon + 1);
    }
}

}  // namespace Passenger
