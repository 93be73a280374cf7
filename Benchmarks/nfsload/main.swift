print("nfsload")
