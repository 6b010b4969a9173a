# Installed to $(passengerrootdir)/lib/passenger.
nobase_dist_passengerroot_DATA +=
