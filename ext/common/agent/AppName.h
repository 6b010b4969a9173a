#pragma once

#include <string>

namespace Passenger {

/**
 * The parts of an application's usual name, "/srv/blog (production) as alice:web", of which the
 * part from " as " on may be missing. All are empty for other names, which PassengerAppGroupName
 * can give. Does not change.
 */
class AppName {
public:
    explicit AppName(const std::string &name);

    const std::string &root() const noexcept { return root_; }
    const std::string &environment() const noexcept { return environment_; }
    const std::string &user() const noexcept { return user_; }
    const std::string &group() const noexcept { return group_; }

private:
    std::string root_;
    std::string environment_;
    std::string user_;
    std::string group_;
};

}  // namespace Passenger
