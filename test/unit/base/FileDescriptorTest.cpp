#include "base/FileDescriptor.h"

#include <cppunit/extensions/HelperMacros.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/DescriptorLimit.h"
#include "support/Expect.h"
#include "support/LeakCheck.h"

namespace Passenger {

namespace {

bool isOpen(int fd) {
    return ::fcntl(fd, F_GETFD) >= 0;
}

bool isCloseOnExec(const FileDescriptor &fd) {
    return (::fcntl(fd.get(), F_GETFD) & FD_CLOEXEC) != 0;
}

}  // namespace

class FileDescriptorTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(FileDescriptorTest);
    CPPUNIT_TEST(testTheDestructorCloses);
    CPPUNIT_TEST(testAMovedFromDescriptorIsEmpty);
    CPPUNIT_TEST(testAssigningClosesTheOldDescriptor);
    CPPUNIT_TEST(testResetKeepsErrno);
    CPPUNIT_TEST(testAReleasedDescriptorStaysOpen);
    CPPUNIT_TEST(testADuplicateIsAnotherDescriptorOfTheSameFile);
    CPPUNIT_TEST(testDuplicatingAnEmptyDescriptorFails);
    CPPUNIT_TEST(testThePipesEndsAreCloseOnExec);
    CPPUNIT_TEST(testTheOpenDescriptorsOfTheProcessAreCounted);
    CPPUNIT_TEST_SUITE_END();

public:
    void testTheOpenDescriptorsOfTheProcessAreCounted() {
        const std::size_t before = openDescriptors();
        CPPUNIT_ASSERT(before >= 3);
        const FileDescriptor one(::open("/dev/null", O_RDONLY | O_CLOEXEC));
        const FileDescriptor other = one.duplicate();
        CPPUNIT_ASSERT_EQUAL(before + 2, openDescriptors());
    }

    void testTheDestructorCloses() {
        int number;
        {
            const DescriptorPair pipe = makePipe();
            number = pipe.first.get();
            CPPUNIT_ASSERT(isOpen(number));
        }
        CPPUNIT_ASSERT(!isOpen(number));
    }

    void testAMovedFromDescriptorIsEmpty() {
        DescriptorPair pipe = makePipe();
        const int number = pipe.first.get();
        const FileDescriptor moved = std::move(pipe.first);
        CPPUNIT_ASSERT(!pipe.first);
        CPPUNIT_ASSERT_EQUAL(number, moved.get());
        CPPUNIT_ASSERT(isOpen(number));
    }

    void testAssigningClosesTheOldDescriptor() {
        DescriptorPair pipe = makePipe();
        const int old = pipe.first.get();
        pipe.first = std::move(pipe.second);
        CPPUNIT_ASSERT(!isOpen(old));
        CPPUNIT_ASSERT(pipe.first);
        CPPUNIT_ASSERT(!pipe.second);
    }

    void testResetKeepsErrno() {
        FileDescriptor wrong(1'000'000);
        errno = ENOENT;
        wrong.reset();
        CPPUNIT_ASSERT_EQUAL(ENOENT, errno);
    }

    void testAReleasedDescriptorStaysOpen() {
        DescriptorPair pipe = makePipe();
        const int number = pipe.first.release();
        CPPUNIT_ASSERT(!pipe.first);
        CPPUNIT_ASSERT(isOpen(number));
        const FileDescriptor again(number);
    }

    void testADuplicateIsAnotherDescriptorOfTheSameFile() {
        DescriptorPair pipe = makePipe();
        const FileDescriptor copy = pipe.second.duplicate();
        CPPUNIT_ASSERT(copy.get() != pipe.second.get());
        CPPUNIT_ASSERT(isCloseOnExec(copy));
        pipe.second.reset();
        CPPUNIT_ASSERT_EQUAL(ssize_t{1}, ::write(copy.get(), "x", 1));
        char byte;
        CPPUNIT_ASSERT_EQUAL(ssize_t{1}, ::read(pipe.first.get(), &byte, 1));
    }

    void testDuplicatingAnEmptyDescriptorFails() {
        CPPUNIT_ASSERT_EQUAL(EBADF, errorOf([] { FileDescriptor().duplicate(); }));
    }

    void testThePipesEndsAreCloseOnExec() {
        const DescriptorPair pipe = makePipe();
        CPPUNIT_ASSERT(isCloseOnExec(pipe.first));
        CPPUNIT_ASSERT(isCloseOnExec(pipe.second));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(FileDescriptorTest);

}  // namespace Passenger
