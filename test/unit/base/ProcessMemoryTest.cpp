#include "base/ProcessMemory.h"

#include <cppunit/extensions/HelperMacros.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <memory>

#include "base/FileDescriptor.h"
#include "support/LeakCheck.h"

namespace Passenger {

class ProcessMemoryTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(ProcessMemoryTest);
    CPPUNIT_TEST(testOwnMemoryIsCounted);
    CPPUNIT_TEST(testPagesThatWereNeverTouchedDoNotCount);
    CPPUNIT_TEST(testSharedPagesCountProportionally);
    CPPUNIT_TEST(testAllocatedMemoryStaysTheSameWhenASharingProcessEnds);
    CPPUNIT_TEST(testSwappedMemoryCounts);
    CPPUNIT_TEST(testAMissingProcessHasNoMemory);
    CPPUNIT_TEST(testAZombieHasNoMemory);
    CPPUNIT_TEST(testTheMemoryOfAnotherUsersProcessIsUnknown);
    CPPUNIT_TEST_SUITE_END();

    static constexpr std::size_t MEGABYTE = 1024 * 1024;
    static constexpr std::size_t SIZE = 50 * MEGABYTE;
    /** The memory that sanitizers and the C library use themselves. */
    static constexpr std::size_t TOLERANCE = 8 * MEGABYTE;

    /** A child process that runs an action, reports its end, and waits. Killed and reaped by the
     *  destructor. */
    class Child {
    public:
        template <typename Action> explicit Child(Action action) {
            auto pipe = makePipe();
            pid_ = ::fork();
            if (pid_ == 0) {
                action();
                if (::write(pipe.second.get(), "x", 1) == 1) {
                    ::pause();
                }
                ::_exit(0);
            }
            pipe.second.reset();
            char ready = 0;
            CPPUNIT_ASSERT_EQUAL(ssize_t(1), ::read(pipe.first.get(), &ready, 1));
        }
        ~Child() {
            ::kill(pid_, SIGKILL);
            ::waitpid(pid_, nullptr, 0);
        }
        Child(const Child &) = delete;
        Child &operator=(const Child &) = delete;

        pid_t pid() const { return pid_; }
        std::size_t memory() const { return processMemory(pid_).value().proportional; }

    private:
        pid_t pid_ = 0;
    };

    /** @param touched the kernel touches the pages: a sanitizer needs memory of its own for each
     *  page that this process writes */
    static char *allocate(bool touched = false) {
        const int flags = MAP_PRIVATE | MAP_ANONYMOUS | (touched ? MAP_POPULATE : 0);
        void *memory = ::mmap(nullptr, SIZE, PROT_READ | PROT_WRITE, flags, -1, 0);
        CPPUNIT_ASSERT(memory != MAP_FAILED);
        return static_cast<char *>(memory);
    }

    static void expectAbout(std::size_t expected, std::size_t value) {
        CPPUNIT_ASSERT_MESSAGE(std::to_string(value / MEGABYTE) + " MB",
                               value + TOLERANCE > expected && value < expected + TOLERANCE);
    }

public:
    void testOwnMemoryIsCounted() {
        const Child idle([] {});
        const Child touching([] { allocate(true); });
        expectAbout(idle.memory() + SIZE, touching.memory());
    }

    void testPagesThatWereNeverTouchedDoNotCount() {
        const Child idle([] {});
        const Child reserving([] { allocate(); });
        expectAbout(idle.memory(), reserving.memory());
    }

    void testSharedPagesCountProportionally() {
        char *memory = allocate();
        std::memset(memory, 1, SIZE);
        std::size_t alone = 0;
        std::size_t shared = 0;
        {
            const Child idle([] {});
            alone = idle.memory();
            const Child other([] {});
            shared = idle.memory();
        }
        ::munmap(memory, SIZE);
        // First two processes share the pages, then three. They may share more pages: a sanitizer
        // has many.
        CPPUNIT_ASSERT(alone > SIZE / 2 - TOLERANCE);
        CPPUNIT_ASSERT(shared < alone - SIZE / 2 + SIZE / 3 + TOLERANCE);
        CPPUNIT_ASSERT(shared > alone / 3 * 2 - TOLERANCE);
    }

    void testAllocatedMemoryStaysTheSameWhenASharingProcessEnds() {
        const std::unique_ptr<char, void (*)(char *)> memory(allocate(), [](char *all) { ::munmap(all, SIZE); });
        std::memset(memory.get(), 1, SIZE);
        ProcessMemory shared;
        {
            const Child child([] {});
            shared = processMemory(::getpid()).value();
        }
        const ProcessMemory alone = processMemory(::getpid()).value();
        CPPUNIT_ASSERT(alone.unshared() >= shared.unshared() + SIZE - TOLERANCE);
        CPPUNIT_ASSERT(alone.allocated() < shared.allocated() + TOLERANCE);
        CPPUNIT_ASSERT(alone.allocated() >= SIZE);
    }

    void testSwappedMemoryCounts() {
        const ProcessMemory memory = parseMemory(
            "7f0000000000-7fffffffffff ---p 00000000 00:00 0    [rollup]\nRss:  61440 kB\nPss:  51200 kB\n"
            "Pss_Anon:  40960 kB\nAnonymous:  40960 kB\nSwap:  81920 kB\nSwapPss:  71680 kB\nLocked:  0 kB\n");
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{120 * MEGABYTE}, memory.used());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{120 * MEGABYTE}, memory.allocated());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{50 * MEGABYTE}, memory.proportional);
    }

    void testAMissingProcessHasNoMemory() {
        pid_t pid = 0;
        {
            const Child child([] {});
            pid = child.pid();
        }
        CPPUNIT_ASSERT(!processMemory(pid).has_value());
    }

    void testAZombieHasNoMemory() {
        const Child child([] {});
        ::kill(child.pid(), SIGKILL);
        siginfo_t info{};
        CPPUNIT_ASSERT_EQUAL(0, ::waitid(P_PID, static_cast<id_t>(child.pid()), &info, WEXITED | WNOWAIT));
        CPPUNIT_ASSERT(!processMemory(child.pid()).has_value());
    }

    void testTheMemoryOfAnotherUsersProcessIsUnknown() {
        if (::geteuid() != 0) {
            CPPUNIT_ASSERT(!processMemory(1).has_value());
            return;
        }
        // Root may read the memory of any process. The user nobody may not read root's.
        const Child child([] {});
        const Child asking([&] {
            constexpr uid_t NOBODY = 65534;
            if (::setresuid(NOBODY, NOBODY, NOBODY) != 0 || processMemory(child.pid())) {
                ::_exit(1);
            }
        });
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ProcessMemoryTest);

}  // namespace Passenger
