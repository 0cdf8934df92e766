"""The same image in two places: exact and near duplicates within and across entries.

Each photograph is hashed (:mod:`.hashing`), hashes that are near are looked up (:mod:`.search`),
and what they stand for is laid over each other (:mod:`.compare`); what is one is put into a group
(:mod:`.finder`).
"""
