# Keep sorted, one file a line.
noinst_LTLIBRARIES += libpassenger_base.la
libpassenger_base_la_SOURCES = \
    %D%/AcceptedTypes.cpp \
    %D%/BatchScheduling.cpp \
    %D%/BootPriority.cpp \
    %D%/ChildProcess.cpp \
    %D%/ChildSetup.cpp \
    %D%/CleanEnvironment.cpp \
    %D%/CpuQuota.cpp \
    %D%/CpuTime.cpp \
    %D%/DescriptorCloser.cpp \
    %D%/DescriptorLimit.cpp \
    %D%/DescriptorSender.cpp \
    %D%/DynamicUser.cpp \
    %D%/FileBytes.cpp \
    %D%/FileContent.cpp \
    %D%/FileDescriptor.cpp \
    %D%/FileRights.cpp \
    %D%/FolderTrust.cpp \
    %D%/HttpText.cpp \
    %D%/Json.cpp \
    %D%/LocalTime.cpp \
    %D%/LockOrder.cpp \
    %D%/LogTarget.cpp \
    %D%/MarkupText.cpp \
    %D%/MemoryPressure.cpp \
    %D%/NodePackage.cpp \
    %D%/PassengerRoot.cpp \
    %D%/PatientThreads.cpp \
    %D%/PidFd.cpp \
    %D%/Poll.cpp \
    %D%/ProcessMemory.cpp \
    %D%/ProcessStat.cpp \
    %D%/ProcessTree.cpp \
    %D%/Processors.cpp \
    %D%/Report.cpp \
    %D%/SeccompMode.cpp \
    %D%/SignalDescriptor.cpp \
    %D%/Split.cpp \
    %D%/StandardDescriptors.cpp \
    %D%/SystemClock.cpp \
    %D%/SystemUserDatabase.cpp \
    %D%/ThreadCapabilities.cpp \
    %D%/UserSwitch.cpp
libpassenger_base_la_LIBADD = $(FMT_LIBS)
