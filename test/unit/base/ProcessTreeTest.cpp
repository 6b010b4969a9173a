#include "base/ProcessTree.h"

#include <cppunit/extensions/HelperMacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstddef>
#include <future>
#include <thread>
#include <vector>

#include "support/Eventually.h"

namespace Passenger {

class ProcessTreeTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(ProcessTreeTest);
    CPPUNIT_TEST(testDescendantsAreThoseOfAllThreadsAndGenerations);
    CPPUNIT_TEST(testAChildThatHasEndedIsListedUntilItIsWaitedFor);
    CPPUNIT_TEST(testAProcessThatHasEndedHasNoChildren);
    CPPUNIT_TEST(testTheKernelsListsAreReadOfFewThreadsOnly);
    CPPUNIT_TEST(testAProcessOfManyThreadsHasTheSameDescendants);
    CPPUNIT_TEST_SUITE_END();

    static bool contains(const std::vector<pid_t> &all, pid_t pid) {
        return std::find(all.begin(), all.end(), pid) != all.end();
    }
    /** @return a process that waits for SIGKILL, with a child that does so, too */
    static pid_t startFamily() {
        const pid_t child = ::fork();
        if (child == 0) {
            ::fork();
            for (;;) {
                ::pause();
            }
        }
        return child;
    }
    static void end(pid_t child) {
        ::kill(child, SIGKILL);
        ::waitpid(child, nullptr, 0);
    }

public:
    void testDescendantsAreThoseOfAllThreadsAndGenerations() {
        std::promise<pid_t> started;
        std::promise<void> looked;
        // A thread's children are in a list of their own, as long as it lives.
        std::thread starter([&] {
            started.set_value(startFamily());
            looked.get_future().wait();
        });
        const pid_t child = started.get_future().get();
        const bool complete = eventually([child] { return childrenOf(child).size() == 1; });
        const std::vector<pid_t> grandchildren = descendantsOf(child);
        const std::vector<pid_t> children = childrenOf(::getpid());
        const std::vector<pid_t> descendants = descendantsOf(::getpid());
        for (const pid_t grandchild : grandchildren) {
            ::kill(grandchild, SIGKILL);
        }
        end(child);
        looked.set_value();
        starter.join();
        CPPUNIT_ASSERT(complete);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, grandchildren.size());
        CPPUNIT_ASSERT(contains(children, child));
        CPPUNIT_ASSERT(contains(descendants, child));
        CPPUNIT_ASSERT(contains(descendants, grandchildren.front()));
    }

    void testAChildThatHasEndedIsListedUntilItIsWaitedFor() {
        const pid_t child = ::fork();
        if (child == 0) {
            ::_exit(0);
        }
        siginfo_t info{};
        ::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT);
        CPPUNIT_ASSERT(contains(childrenOf(::getpid()), child));
        ::waitpid(child, nullptr, 0);
        CPPUNIT_ASSERT(!contains(childrenOf(::getpid()), child));
    }

    void testAProcessThatHasEndedHasNoChildren() {
        const pid_t child = ::fork();
        if (child == 0) {
            ::_exit(0);
        }
        ::waitpid(child, nullptr, 0);
        CPPUNIT_ASSERT(childrenOf(child).empty());
        CPPUNIT_ASSERT(descendantsOf(child).empty());
    }

    void testTheKernelsListsAreReadOfFewThreadsOnly() {
        CPPUNIT_ASSERT(!listedChildrenOf(::getpid(), 0));
        if (const auto listed = listedChildrenOf(::getpid(), 1000)) {
            CPPUNIT_ASSERT(listed->threads >= 1);
        }
    }

    void testAProcessOfManyThreadsHasTheSameDescendants() {
        const pid_t child = startFamily();
        const bool complete = eventually([child] { return childrenOf(child).size() == 1; });
        std::promise<void> looked;
        const std::shared_future<void> released = looked.get_future().share();
        std::vector<std::thread> threads;
        for (int i = 0; i < 600; ++i) {
            threads.emplace_back([released] { released.wait(); });
        }
        const std::vector<pid_t> descendants = descendantsOf(::getpid());
        const std::vector<pid_t> grandchildren = childrenOf(child);
        looked.set_value();
        for (std::thread &thread : threads) {
            thread.join();
        }
        for (const pid_t grandchild : grandchildren) {
            ::kill(grandchild, SIGKILL);
        }
        end(child);
        CPPUNIT_ASSERT(complete);
        CPPUNIT_ASSERT(contains(descendants, child));
        CPPUNIT_ASSERT(contains(descendants, grandchildren.front()));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ProcessTreeTest);

}  // namespace Passenger
