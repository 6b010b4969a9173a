#include "shm/SharedMemory.h"

#include <cppunit/extensions/HelperMacros.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>

#include "support/Expect.h"
#include "support/LeakCheck.h"

namespace Passenger {

class SharedMemoryTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(SharedMemoryTest);
    CPPUNIT_TEST(testNewMemoryIsFilledWithZeros);
    CPPUNIT_TEST(testOtherUsersCannotOpenTheFile);
    CPPUNIT_TEST(testTheFileCanNeitherShrinkNorGrow);
    CPPUNIT_TEST(testAWriteSealCannotBeAdded);
    CPPUNIT_TEST(testWritesThroughTheDescriptorAreSeenInMappings);
    CPPUNIT_TEST(testTheReadOnlyDescriptorCannotWrite);
    CPPUNIT_TEST(testTheReadOnlyDescriptorCannotBeMappedForWriting);
    CPPUNIT_TEST(testNumbersAreWrittenAndReadAtTheirOffset);
    CPPUNIT_TEST(testReadingBeyondTheEndFails);
    CPPUNIT_TEST(testWritingBeyondTheEndFails);
    CPPUNIT_TEST(testAdoptTakesAFileThatAnotherProcessMade);
    CPPUNIT_TEST(testAdoptRefusesAnUnsealedFile);
    CPPUNIT_TEST(testAdoptRefusesAFileThatIsTooSmall);
    CPPUNIT_TEST(testAdoptRefusesADescriptorOfNoMemoryFile);
    CPPUNIT_TEST(testAMappingRefusesAnUnsealedFile);
    CPPUNIT_TEST(testAMappingRefusesMoreThanTheFileHas);
    CPPUNIT_TEST(testAMappingCanBeMoved);
    CPPUNIT_TEST_SUITE_END();

    static constexpr std::size_t SIZE = 8192;

    static FileDescriptor unsealedFile(std::size_t size) {
        FileDescriptor fd(::memfd_create("unsealed", MFD_CLOEXEC | MFD_ALLOW_SEALING));
        CPPUNIT_ASSERT_EQUAL(0, ::ftruncate(fd.get(), static_cast<off_t>(size)));
        return fd;
    }

public:
    void testNewMemoryIsFilledWithZeros() {
        const SharedMemory memory("test", SIZE);
        std::string bytes(SIZE, 'x');
        memory.read(bytes.data(), SIZE, 0);
        CPPUNIT_ASSERT(std::string(SIZE, '\0') == bytes);
        CPPUNIT_ASSERT_EQUAL(SIZE, memory.size());
    }

    void testOtherUsersCannotOpenTheFile() {
        const SharedMemory memory("test", SIZE);
        struct stat status {};
        CPPUNIT_ASSERT_EQUAL(0, ::fstat(memory.descriptor().get(), &status));
        CPPUNIT_ASSERT_EQUAL(mode_t{0600}, static_cast<mode_t>(status.st_mode & 07777));
    }

    void testTheFileCanNeitherShrinkNorGrow() {
        const SharedMemory memory("test", SIZE);
        CPPUNIT_ASSERT_EQUAL(-1, ::ftruncate(memory.descriptor().get(), SIZE - 1));
        CPPUNIT_ASSERT_EQUAL(EPERM, errno);
        CPPUNIT_ASSERT_EQUAL(-1, ::ftruncate(memory.descriptor().get(), SIZE + 1));
        CPPUNIT_ASSERT_EQUAL(EPERM, errno);
    }

    void testAWriteSealCannotBeAdded() {
        const SharedMemory memory("test", SIZE);
        CPPUNIT_ASSERT_EQUAL(-1, ::fcntl(memory.descriptor().get(), F_ADD_SEALS, F_SEAL_WRITE));
        CPPUNIT_ASSERT_EQUAL(EPERM, errno);
    }

    void testWritesThroughTheDescriptorAreSeenInMappings() {
        SharedMemory memory("test", SIZE);
        const Mapping writable(memory.descriptor(), SIZE, Mapping::Access::READ_WRITE);
        const Mapping readable(memory.readOnlyDescriptor(), SIZE, Mapping::Access::READ_ONLY);
        memory.writeU64(47, 4096);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{47}, *readable.at<std::uint64_t>(4096));
        *writable.at<std::uint64_t>(4096) = 48;
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{48}, memory.readU64(4096));
    }

    void testTheReadOnlyDescriptorCannotWrite() {
        const SharedMemory memory("test", SIZE);
        const FileDescriptor readOnly = memory.readOnlyDescriptor();
        CPPUNIT_ASSERT_EQUAL(ssize_t{-1}, ::pwrite(readOnly.get(), "x", 1, 0));
        CPPUNIT_ASSERT_EQUAL(EBADF, errno);
        SharedMemory adopted = SharedMemory::adopt(readOnly.duplicate(), SIZE);
        CPPUNIT_ASSERT_EQUAL(EBADF, errorOf([&] { adopted.writeU32(1, 0); }));
    }

    void testTheReadOnlyDescriptorCannotBeMappedForWriting() {
        const SharedMemory memory("test", SIZE);
        const FileDescriptor readOnly = memory.readOnlyDescriptor();
        CPPUNIT_ASSERT_EQUAL(EACCES, errorOf([&] { Mapping(readOnly, SIZE, Mapping::Access::READ_WRITE); }));
    }

    void testNumbersAreWrittenAndReadAtTheirOffset() {
        SharedMemory memory("test", SIZE);
        memory.writeU64(0x0102030405060708, 64);
        memory.writeU32(0xA0B0C0D0, 72);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0x0102030405060708}, memory.readU64(64));
        CPPUNIT_ASSERT_EQUAL(std::uint32_t{0xA0B0C0D0}, memory.readU32(72));
        CPPUNIT_ASSERT_EQUAL(std::uint32_t{0}, memory.readU32(76));
    }

    void testReadingBeyondTheEndFails() {
        const SharedMemory memory("test", SIZE);
        CPPUNIT_ASSERT_EQUAL(EIO, errorOf([&] { memory.readU64(SIZE - 4); }));
    }

    void testWritingBeyondTheEndFails() {
        SharedMemory memory("test", SIZE);
        CPPUNIT_ASSERT_EQUAL(EPERM, errorOf([&] { memory.writeU64(1, SIZE); }));
    }

    void testAdoptTakesAFileThatAnotherProcessMade() {
        SharedMemory memory("test", SIZE);
        memory.writeU32(5, 0);
        const SharedMemory adopted = SharedMemory::adopt(memory.readOnlyDescriptor(), SIZE);
        CPPUNIT_ASSERT_EQUAL(std::uint32_t{5}, adopted.readU32(0));
        CPPUNIT_ASSERT_EQUAL(SIZE, adopted.size());
    }

    void testAdoptRefusesAnUnsealedFile() {
        thrownBy<ProtocolException>([] { SharedMemory::adopt(unsealedFile(SIZE), SIZE); });
        FileDescriptor growing = unsealedFile(SIZE);
        CPPUNIT_ASSERT_EQUAL(0, ::fcntl(growing.get(), F_ADD_SEALS, F_SEAL_SHRINK));
        thrownBy<ProtocolException>([&] { SharedMemory::adopt(std::move(growing), SIZE); });
    }

    void testAdoptRefusesAFileThatIsTooSmall() {
        const SharedMemory memory("test", SIZE);
        thrownBy<ProtocolException>([&] { SharedMemory::adopt(memory.readOnlyDescriptor(), SIZE + 1); });
    }

    void testAdoptRefusesADescriptorOfNoMemoryFile() {
        thrownBy<ProtocolException>([] { SharedMemory::adopt(makePipe().first, 1); });
        thrownBy<ProtocolException>([] { SharedMemory::adopt(FileDescriptor(), 1); });
    }

    void testAMappingRefusesAnUnsealedFile() {
        const FileDescriptor fd = unsealedFile(SIZE);
        thrownBy<ProtocolException>([&] { Mapping(fd, SIZE, Mapping::Access::READ_ONLY); });
    }

    void testAMappingRefusesMoreThanTheFileHas() {
        const SharedMemory memory("test", SIZE);
        thrownBy<ProtocolException>([&] { Mapping(memory.descriptor(), SIZE + 1, Mapping::Access::READ_ONLY); });
    }

    void testAMappingCanBeMoved() {
        SharedMemory memory("test", SIZE);
        memory.writeU32(9, 0);
        Mapping first(memory.descriptor(), SIZE, Mapping::Access::READ_ONLY);
        Mapping second(std::move(first));
        CPPUNIT_ASSERT(!first);
        Mapping third;
        third = std::move(second);
        CPPUNIT_ASSERT(!second);
        CPPUNIT_ASSERT_EQUAL(std::uint32_t{9}, *third.at<std::uint32_t>(0));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(SharedMemoryTest);

}  // namespace Passenger
