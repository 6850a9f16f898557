import type {
  Hints,
  HintTopic,
} from '../../../packages/node-red-contrib-balupi-tapo/lib/tapo/tapo.ts';

export { libraryLogins } from '../../../packages/node-red-contrib-balupi-tapo/lib/tapo/connect/connect-login.ts';
export * from '../../../packages/node-red-contrib-balupi-tapo/lib/tapo/tapo.ts';

type Hint = Readonly<Record<'en' | 'de', string>>;

const HINTS: Readonly<Record<HintTopic, Hint>> = {
  not_read_yet: {
    en: 'The plug has not been read yet. Wait for the next reading.',
    de: 'Die Steckdose wurde noch nicht gelesen. Bitte die nächste Messung abwarten.',
  },
  unreachable: {
    en: 'The plug does not answer. Check that it is plugged in, on the Wi-Fi, and that its address is right; run a search if the address may have changed.',
    de: 'Die Steckdose antwortet nicht. Prüfen, ob sie eingesteckt und im WLAN ist und ob die Adresse stimmt; bei neuer Adresse die Suche starten.',
  },
  other_device: {
    en: 'Another device answers at the address of this plug, so nothing was sent to it. Run a search to find the plug again.',
    de: 'Unter der Adresse dieser Steckdose antwortet ein anderes Gerät, darum wurde ihm nichts gesendet. Die Suche starten, um die Steckdose wiederzufinden.',
  },
  bad_answer: {
    en: 'The plug answers, but nothing that makes sense. Unplug it for ten seconds; if that does not help, update its firmware in the Tapo app.',
    de: 'Die Steckdose antwortet, aber nichts, was Sinn ergibt. Zehn Sekunden ausstecken; hilft das nicht, die Firmware in der Tapo-App aktualisieren.',
  },
  power_unknown: {
    en: 'The plug can be switched but does not tell its power: it refuses the question, or tells a value that no plug can have. Meanwhile nothing is metered; its counters fill that in once it tells again. Some firmware first needs the internet to set its clock.',
    de: 'Die Steckdose lässt sich schalten, nennt aber ihre Leistung nicht: Sie lehnt die Frage ab oder nennt einen Wert, den keine Steckdose haben kann. So lange wird nichts gemessen; ihre Zähler füllen das auf, sobald sie wieder antwortet. Manche Firmware braucht erst das Internet, um ihre Uhr zu stellen.',
  },
  counters_unknown: {
    en: 'The plug tells its power but not its energy counters, so time in which it is not read stays uncovered. Some firmware first needs the internet to set its clock.',
    de: 'Die Steckdose nennt ihre Leistung, aber nicht ihre Energiezähler; Zeit, in der sie nicht gelesen wird, bleibt darum unbekannt. Manche Firmware braucht erst das Internet, um ihre Uhr zu stellen.',
  },
  clock_wrong: {
    en: 'The clock of the plug is wrong by five minutes or more, so its counter of the day and its history are not used. Let it reach the internet for a moment, and check its time zone in the Tapo app.',
    de: 'Die Uhr der Steckdose geht um fünf Minuten oder mehr falsch, darum werden ihr Tageszähler und ihr Verlauf nicht verwendet. Sie kurz ins Internet lassen und in der Tapo-App ihre Zeitzone prüfen.',
  },
  rate_limited: {
    en: 'The plug is asked too often. Other programs that read it should be stopped; BaluPi waits up to five minutes before it asks again.',
    de: 'Die Steckdose wird zu oft gefragt. Andere Programme, die sie lesen, beenden; BaluPi wartet bis zu fünf Minuten, bevor es wieder fragt.',
  },
  wrong_password: {
    en: 'The plug refuses the account. Enter the account the plug is paired with on the page Settings, or as BALUPI_TAPO_USERNAME and BALUPI_TAPO_PASSWORD (capital and small letters matter; use ASCII). Until then it is tried twice within an hour and then once a day, since plugs lock after about 15 wrong tries.',
    de: 'Die Steckdose lehnt das Konto ab. Auf der Seite Einstellungen, oder als BALUPI_TAPO_USERNAME und BALUPI_TAPO_PASSWORD, das Konto eintragen, mit dem sie gekoppelt ist (Groß- und Kleinschreibung zählt; nur ASCII verwenden). Bis dahin wird es zweimal innerhalb einer Stunde und dann einmal am Tag versucht, denn Steckdosen sperren nach etwa 15 falschen Versuchen.',
  },
  locked: {
    en: 'The plug is locked after too many wrong passwords, and takes none before {until}. Nothing is sent to it until then. Check BALUPI_TAPO_PASSWORD and other programs that read this plug.',
    de: 'Die Steckdose ist nach zu vielen falschen Passwörtern gesperrt und nimmt vor {until} keines an. Bis dahin wird ihr nichts gesendet. BALUPI_TAPO_PASSWORD und andere Programme prüfen, die diese Steckdose lesen.',
  },
  no_credentials: {
    en: 'No TP-Link account is set, so plugs cannot be read. An admin enters it on the page Settings (or sets BALUPI_TAPO_USERNAME and BALUPI_TAPO_PASSWORD).',
    de: 'Es ist kein TP-Link-Konto eingetragen, darum können Steckdosen nicht gelesen werden. Ein Admin trägt es auf der Seite Einstellungen ein (oder setzt BALUPI_TAPO_USERNAME und BALUPI_TAPO_PASSWORD).',
  },
  third_party_off: {
    en: 'The plug refuses other programs. In the Tapo app open Me > Third-Party Services and switch Third-Party Compatibility on; if it is on, switch it off and on again.',
    de: 'Die Steckdose lässt keine anderen Programme zu. In der Tapo-App unter Ich > Dienste Dritter die Kompatibilität mit Drittanbietern einschalten; ist sie schon an, aus- und wieder einschalten.',
  },
  unsupported_protocol: {
    en: 'The plug speaks a protocol that BaluPi does not use here. Check its firmware in the Tapo app and the setting BALUPI_TAPO_DRIVER.',
    de: 'Die Steckdose spricht ein Protokoll, das BaluPi hier nicht verwendet. Die Firmware in der Tapo-App und die Einstellung BALUPI_TAPO_DRIVER prüfen.',
  },
  tpap: {
    en: 'The plug speaks the new protocol TPAP, which the setting BALUPI_TAPO_DRIVER leaves out. Set it to auto, or switch Third-Party Compatibility on in the Tapo app.',
    de: 'Die Steckdose spricht das neue Protokoll TPAP, das die Einstellung BALUPI_TAPO_DRIVER auslässt. Sie auf auto setzen oder in der Tapo-App die Kompatibilität mit Drittanbietern einschalten.',
  },
  tpap_variant: {
    en: 'The plug speaks a kind of TPAP that BaluPi does not know. Switch Third-Party Compatibility on in the Tapo app, and tell the makers of BaluPi its model and firmware.',
    de: 'Die Steckdose spricht eine Art von TPAP, die BaluPi nicht kennt. In der Tapo-App die Kompatibilität mit Drittanbietern einschalten und den Machern von BaluPi Modell und Firmware nennen.',
  },
  impostor: {
    en: 'Something answers as this plug and does not know the password. Nothing but single guesses at it could be tested, and BaluPi stops after a few for a day. Look for a device that has taken its address; unplug the plug for ten seconds if it is the only one.',
    de: 'Etwas antwortet als diese Steckdose und kennt das Passwort nicht. Damit ließen sich nur einzelne Vermutungen prüfen, und BaluPi hört nach wenigen für einen Tag auf. Nach einem Gerät suchen, das ihre Adresse hat; ist sie die einzige, sie zehn Sekunden ausstecken.',
  },
  password_doubted: {
    en: 'The plug refused the password that it took before. It is tried once more in a few seconds; some plugs refuse a login while an older session ends.',
    de: 'Die Steckdose lehnte das Passwort ab, das sie vorher annahm. In einigen Sekunden folgt noch ein Versuch; manche lehnen eine Anmeldung ab, während eine ältere Sitzung endet.',
  },
  identity_unproven: {
    en: 'Something answers at this address, but it is no KLAP plug and did not say by UDP (port 20002) what it is, so no credentials were sent to it.',
    de: 'Unter dieser Adresse antwortet etwas, aber keine KLAP-Steckdose, und es sagt nicht per UDP (Port 20002), was es ist; darum wurden ihm keine Zugangsdaten gesendet.',
  },
  old_protocol: {
    en: 'The plug speaks only the old protocol AES, in which the password of your TP-Link account goes to whoever answers at this address. Nothing was sent to it. Update its firmware in the Tapo app; where there is no newer one, an admin may confirm below that this plug gets the password.',
    de: 'Die Steckdose spricht nur das alte Protokoll AES, bei dem das Passwort deines TP-Link-Kontos an jeden geht, der unter dieser Adresse antwortet. Ihr wurde nichts gesendet. Die Firmware in der Tapo-App aktualisieren; gibt es keine neuere, kann ein Admin unten bestätigen, dass diese Steckdose das Passwort bekommt.',
  },
  downgrade: {
    en: 'The plug used to speak a newer protocol and now asks for the old, weaker protocol, so no password was sent to it. If it was reset or exchanged, remove it here and add it again.',
    de: 'Die Steckdose sprach bisher ein neueres Protokoll und verlangt nun das alte, schwächere Protokoll; darum wurde ihr kein Passwort gesendet. Wurde sie zurückgesetzt oder getauscht, hier entfernen und neu hinzufügen.',
  },
  session_taken: {
    en: 'Another program keeps logging in to this plug, which allows one session only. Switch off the Tapo plug-in of BaluHost or other readers and let them take the values from BaluPi.',
    de: 'Ein anderes Programm meldet sich immer wieder an dieser Steckdose an, die nur eine Sitzung zulässt. Das Tapo-Plugin von BaluHost oder andere Leser abschalten und die Werte von BaluPi beziehen.',
  },
};

/** In the words of BaluPi's pages and settings; a language they are not written in gets English. */
export const plugHint: Hints = (topic, language, until = '–') =>
  topic === 'ok' ? '' : HINTS[topic][language === 'de' ? 'de' : 'en'].replace('{until}', until);
