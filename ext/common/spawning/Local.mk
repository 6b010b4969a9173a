# Keep sorted, one file a line.
noinst_LTLIBRARIES += libpassenger_spawning.la
libpassenger_spawning_la_SOURCES = \
    %D%/AppGroup.cpp \
    %D%/AppGroups.cpp \
    %D%/AppResources.cpp \
    %D%/BootGuard.cpp \
    %D%/BootLimits.cpp \
    %D%/CancelSwitch.cpp \
    %D%/Diagnosis.cpp \
    %D%/DiagnosisRule.cpp \
    %D%/DirectSpawner.cpp \
    %D%/ExclusiveTurn.cpp \
    %D%/NodeRules.cpp \
    %D%/OutputFiles.cpp \
    %D%/OutputLimit.cpp \
    %D%/OutputLimits.cpp \
    %D%/PostMortem.cpp \
    %D%/Preloader.cpp \
    %D%/PrintedError.cpp \
    %D%/ProcessEnds.cpp \
    %D%/ProcessOutput.cpp \
    %D%/PythonRules.cpp \
    %D%/RubyRules.cpp \
    %D%/Secrets.cpp \
    %D%/ServerAccount.cpp \
    %D%/SmartSpawner.cpp \
    %D%/SpawnManager.cpp \
    %D%/SpawnPlan.cpp \
    %D%/SpawnReport.cpp \
    %D%/SpawnServer.cpp \
    %D%/SpawnStartup.cpp \
    %D%/SpawnSteps.cpp \
    %D%/SpawnedProcess.cpp \
    %D%/StandardSpawnerFactory.cpp \
    %D%/UserSpawnServer.cpp \
    %D%/WaitStatus.cpp
