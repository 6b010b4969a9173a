#pragma once

#include <linux/capability.h>

#include <array>
#include <initializer_list>

namespace Passenger {

/**
 * The effective capabilities of the calling thread (capabilities(7)), as they were at construction.
 * limit() leaves the permitted ones, so the thread can have them again. A plain value.
 */
class ThreadCapabilities {
public:
    /** @throws SystemException */
    ThreadCapabilities();
    /** Leaves the thread those of its effective capabilities that are named.
     *  @param capabilities numbers of <linux/capability.h> @throws SystemException */
    void limit(std::initializer_list<unsigned> capabilities) const;
    /**
     * For a process of root with one thread, and for good. Takes all capabilities but these from
     * the effective and permitted set, and all from the inheritable and ambient set. What it lacked
     * before, it still lacks. The bounding set stays, since processes that it starts inherit it: a
     * program that root executes has all of its capabilities again.
     * @throws SystemException
     */
    void keepOnly(std::initializer_list<unsigned> capabilities) const;
    /** The thread has the effective capabilities of the construction again. */
    void restore() const noexcept;

private:
    using Sets = std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3>;

    Sets sets_{};
};

/** Whether the calling thread has this effective capability, by /proc. */
bool hasCapability(unsigned capability);

}  // namespace Passenger
