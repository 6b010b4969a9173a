# Installed, because native code for other Rubies is built from the installed files.
nobase_dist_passengerroot_DATA += %D%/claim_memory.h
